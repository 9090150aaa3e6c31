// How a launch is executed: order of warps and blocks, when asynchronous copies take effect, which
// checks run. Frozen before the launch; one text form, which SWITCHYARD_EMULATOR holds.
#ifndef SWITCHYARD_EMULATOR_PTX_OPTIONS_H_
#define SWITCHYARD_EMULATOR_PTX_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace emu {

// Order of warps and blocks: round robin with long turns, or shuffled with short ones.
enum class Schedule : uint8_t { kFixed, kRandom };

// When cp.async, TMA and wgmma take effect: at issue; as late as the program allows; anywhere
// between.
enum class AsyncCompletion : uint8_t { kEager, kLate, kRandom };

// Tensor-core sums: fast fp32, or the bits of an H100.
enum class Numerics : uint8_t { kFast, kH100 };

struct Options {
  Schedule schedule = Schedule::kFixed;
  AsyncCompletion async = AsyncCompletion::kEager;
  uint64_t seed = 1;  // of everything that is random
  // Report unordered conflicting accesses. Runs on one OS thread, so that a report comes again from
  // its seed.
  bool race = false;
  bool memcheck = true;  // report accesses outside live allocations
  // Report loads of shared and fresh device memory that nobody wrote. Not part of the five modes:
  // good kernels may load words that they then do not use.
  bool initcheck = false;
  bool counters = false;  // count requests, sectors, conflicts, opcodes
  Numerics numerics = Numerics::kFast;
  int os_threads = 0;  // 0: one per core
  // Scheduler rounds in which every live warp only polls global memory (which another kernel or
  // process might still change) before that counts as a deadlock. After the first thousand, a round
  // takes about a millisecond.
  uint32_t poll_limit = 30'000;
  // Instructions of warps after which a block (a cluster, a cooperative grid) counts as endless; 0:
  // no limit.
  uint64_t step_limit = 0;
};

// "schedule=random,async=late,seed=3,race=1,counters=1,numerics=h100,threads=2". Names that are
// absent keep their defaults; an empty text is all defaults. On a wrong name or value *error says
// which, and the defaults come back; otherwise *error is empty.
Options ParseOptions(std::string_view text, std::string* error);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_OPTIONS_H_
