// What the loops that multiply cost in issue slots, read from the machine code that ptxas made of
// them: instructions of a warp, for 128 of K. Needs no GPU and no disassembler: of an instruction
// only its opcode, its product's shape and its branch's target are read. Their places in the 16
// bytes were seen in what nvdisasm 13 says of nvcc 13.0's code for sm_90a.
//
// A loop is the shortest one of a kernel, by its backward branch, that has a warpgroup product in
// it. HGMMA multiplies BF16, 16 of K; QGMMA FP8, 32 of K. Waiting for a stage is counted once.
#ifndef SWITCHYARD_TESTS_KERNELS_CUDA_ISSUE_SLOTS_H_
#define SWITCHYARD_TESTS_KERNELS_CUDA_ISSUE_SLOTS_H_

#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace switchyard {

struct LoopSlots {
  std::string product;  // "HGMMA.64x8x16"
  double products = 0;
  double others = 0;
};

// Of the kernels in a program or library that nvcc built, by name without namespaces and arguments;
// kernels without such a loop are not among them. INVALID_ARGUMENT where there is no device code.
absl::StatusOr<std::map<std::string, LoopSlots>> ReadLoopSlots(std::string_view file);

}  // namespace switchyard

#endif  // SWITCHYARD_TESTS_KERNELS_CUDA_ISSUE_SLOTS_H_
