// Runs of each kernel against an obvious version in double precision. Empty: right.
#ifndef SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_RUNS_H_
#define SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_RUNS_H_

#include <string>

#include "emulator/ptx/module.h"
#include "emulator/ptx/options.h"

namespace emu {

std::string RunSoftmax(const Module& module, const Options& options);
std::string RunRmsNorm(const Module& module, const Options& options);
std::string RunClusterSum(const Module& module, const Options& options);
std::string RunLastBlockSum(const Module& module, const Options& options);
std::string RunChainSum(const Module& module, const Options& options);
std::string RunReverseWarp(const Module& module, const Options& options);
std::string RunPassOn(const Module& module, const Options& options);
std::string RunGemmMma(const Module& module, const Options& options);
std::string RunGemmTmaBf16(const Module& module, const Options& options);
std::string RunGemmTmaE4m3(const Module& module, const Options& options);
std::string RunGemmDirect(const Module& module, const Options& options);

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_RUNS_H_
