#include "tests/emulator/mutations/mutation_case.h"
#include "tests/emulator/mutations/mutation_runs.h"

namespace emu {

std::vector<MutationCase> CorrectCases() {
  return {
      {"norm", "Softmax", 0, "", RunSoftmax},
      {"norm", "RmsNorm", 0, "", RunRmsNorm},
      {"gemm_mma", "GemmMma", 0, "", RunGemmMma},
      {"gemm_tma", "GemmTmaBf16", 0, "", RunGemmTmaBf16},
      {"gemm_tma", "GemmTmaE4m3", 0, "", RunGemmTmaE4m3},
      {"gemm_direct", "GemmDirect", 0, "", RunGemmDirect},
      {"cluster_sum", "ClusterSum", 0, "", RunClusterSum},
      {"block_sum", "LastBlockSum", 0, "", RunLastBlockSum},
      {"block_sum", "ChainSum", 0, "", RunChainSum},
      {"exchange", "ReverseWarp", 0, "", RunReverseWarp},
      {"exchange", "PassOn", 0, "", RunPassOn},
  };
}

std::vector<MutationCase> FaultyCases() {
  return {
      {"norm", "Softmax", 1, "reduction array reused without a barrier", RunSoftmax},
      {"norm", "Softmax", 2, "butterfly begins at 8 instead of 16", RunSoftmax},
      {"norm", "RmsNorm", 3, "reduction array read without a barrier", RunRmsNorm},
      {"norm", "RmsNorm", 4, "places of the array read that nobody wrote", RunRmsNorm},
      {"gemm_mma", "GemmMma", 1, "cp.async waited for one group too late", RunGemmMma},
      {"gemm_mma", "GemmMma", 2, "stage refilled without a barrier", RunGemmMma},
      {"gemm_mma", "GemmMma", 3, "accumulator columns swapped", RunGemmMma},
      {"gemm_mma", "GemmMma", 4, "no barrier after the wait for cp.async", RunGemmMma},
      {"gemm_tma", "GemmTmaBf16", 1, "producer ignores the empty barriers", RunGemmTmaBf16},
      {"gemm_tma", "GemmTmaE4m3", 2, "producer waits for the wrong parity", RunGemmTmaE4m3},
      {"gemm_tma", "GemmTmaBf16", 3, "more bytes expected than arrive", RunGemmTmaBf16},
      {"gemm_tma", "GemmTmaBf16", 4, "accumulators read before wgmma's wait", RunGemmTmaBf16},
      {"gemm_tma", "GemmTmaE4m3", 4, "partial sums read before wgmma's wait", RunGemmTmaE4m3},
      {"gemm_tma", "GemmTmaBf16", 5, "descriptor stride halved", RunGemmTmaBf16},
      {"gemm_tma", "GemmTmaBf16", 6, "stage released before wgmma has read it", RunGemmTmaBf16},
      {"gemm_tma", "GemmTmaE4m3", 7, "no barrier after mbarrier.init", RunGemmTmaE4m3},
      {"gemm_tma", "GemmTmaBf16", 8, "no fence.mbarrier_init", RunGemmTmaBf16},
      {"gemm_tma", "GemmTmaE4m3", 9, "consumer does not wait for the stage", RunGemmTmaE4m3},
      {"gemm_tma", "GemmTmaBf16", 10, "empty barrier counts one arrival of eight", RunGemmTmaBf16},
      {"gemm_direct", "GemmDirect", 1, "no fence.proxy.async before wgmma", RunGemmDirect},
      {"gemm_direct", "GemmDirect", 2, "fence.proxy.async by one warp only", RunGemmDirect},
      {"gemm_direct", "GemmDirect", 3, "stores do not swizzle", RunGemmDirect},
      {"gemm_direct", "GemmDirect", 4, "no fence.proxy.async before the TMA store", RunGemmDirect},
      {"gemm_direct", "GemmDirect", 5, "buffer refilled before the TMA store read it",
       RunGemmDirect},
      {"gemm_direct", "GemmDirect", 6, "no barrier before the TMA store", RunGemmDirect},
      {"cluster_sum", "ClusterSum", 1, "other blocks' parts read too early", RunClusterSum},
      {"cluster_sum", "ClusterSum", 2, "parts overwritten while others read", RunClusterSum},
      {"cluster_sum", "ClusterSum", 3, "own part added instead of the others'", RunClusterSum},
      {"block_sum", "LastBlockSum", 1, "no fence before the counter", RunLastBlockSum},
      {"block_sum", "LastBlockSum", 2, "fence with the scope of a block", RunLastBlockSum},
      {"block_sum", "LastBlockSum", 3, "no fence after the counter", RunLastBlockSum},
      {"block_sum", "LastBlockSum", 4, "no barrier before the counter", RunLastBlockSum},
      {"block_sum", "LastBlockSum", 7, "two blocks share a place", RunLastBlockSum},
      {"block_sum", "ChainSum", 5, "flag set before its value", RunChainSum},
      {"block_sum", "ChainSum", 6, "only one thread waits for the flag", RunChainSum},
      {"exchange", "ReverseWarp", 1, "no __syncwarp", RunReverseWarp},
      {"exchange", "ReverseWarp", 2, "a shuffle instead of __syncwarp", RunReverseWarp},
      {"exchange", "PassOn", 3, "buffer filled before it is empty", RunPassOn},
      {"exchange", "PassOn", 4, "buffer emptied before it is full", RunPassOn},
      {"exchange", "PassOn", 5, "buffer announced before it is full", RunPassOn},
  };
}

std::vector<Mode> Modes() {
  Options fixed;
  fixed.os_threads = 1;
  fixed.poll_limit = 50;  // one OS thread, one kernel: nobody else will change what is polled
  Options late = fixed;
  late.async = AsyncCompletion::kLate;
  Options race = late;
  race.schedule = Schedule::kRandom;
  race.race = true;
  std::vector<Mode> modes = {{"fixed, eager", fixed, false}, {"fixed, late", late, false}};
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    race.seed = seed;
    modes.push_back({"race, late, random " + std::to_string(seed), race, true});
  }
  return modes;
}

}  // namespace emu
