// What every CPU kernel gets: the threads to run on, the instruction set to use, and working
// memory.
#ifndef SWITCHYARD_KERNELS_CPU_CPU_CONTEXT_H_
#define SWITCHYARD_KERNELS_CPU_CPU_CONTEXT_H_

#include <memory>
#include <string_view>

#include "kernels/cpu/cpu_scratch.h"
#include "kernels/cpu/thread_pool.h"

namespace switchyard::kernels::cpu {

// Ordered: a CPU that has one level has all below it.
enum class Isa { kPortable, kAvx2, kAvx512, kAvx512Bf16 };
inline constexpr Isa kIsas[] = {Isa::kPortable, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16};

// The names of Device::isa().
std::string_view Name(Isa isa);
// The highest level of this machine.
Isa BestIsa();

struct CpuContext {
  ThreadPool& pool;
  Isa isa;
  // Working memory of ops, reused by every op that runs in this context.
  std::shared_ptr<CpuScratch> scratch = std::make_shared<CpuScratch>();
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_CPU_CONTEXT_H_
