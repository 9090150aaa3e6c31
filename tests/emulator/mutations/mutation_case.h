// A kernel, a planted fault (or none), and how to run it against its reference.
#ifndef SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_CASE_H_
#define SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_CASE_H_

#include <string>
#include <vector>

#include "emulator/ptx/module.h"
#include "emulator/ptx/options.h"

namespace emu {

struct MutationCase {
  std::string file;    // kernels/FILE.cu
  std::string kernel;  // its name
  int mutation = 0;    // MUTATION; 0: the correct kernel
  std::string fault;   // what is wrong
  // Empty: the launch succeeded and the result is right. Else the report, or which value is wrong.
  std::string (*run)(const Module& module, const Options& options) = nullptr;
};

// The correct kernels, mutation 0.
std::vector<MutationCase> CorrectCases();
// Each planted fault, once for the kernel that shows it.
std::vector<MutationCase> FaultyCases();

// One mode that every kernel test runs in.
struct Mode {
  std::string name;
  Options options;
  bool checks = false;  // one of those that every synchronisation fault must be found in
};
std::vector<Mode> Modes();

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_CASE_H_
