// Body of the kernel that gives jobs their rows (routed_jobs.h): a block for each set walks its
// jobs in order, a job a thread.
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTED_JOBS_CUH_
#define SWITCHYARD_KERNELS_CUDA_ROUTED_JOBS_CUH_

#include "kernels/cuda/block_scan.cuh"
#include "kernels/cuda/choose/gemm_layout.h"
#include "kernels/cuda/routed_jobs.h"

namespace switchyard::kernels::cuda {

inline constexpr int kRouteJobsThreads = 256;

struct RouteJobsLaunch {
  RoutedSet sets[kMostRoutedSets];
  RoutedSpans spans;
};

__device__ inline int CeilPart(int value, int divisor) { return (value + divisor - 1) / divisor; }

// Rows of a job, and what they are cut into.
struct RoutedJob {
  int begin = 0, rows = 0;
  int atoms = 0, pieces = 0, arrivals = 0;

  __device__ RoutedJob(const RoutedSet& set, const RoutedSpans& spans, int index) {
    if (index >= set.num_jobs) return;
    const int32_t* const span = spans.spans + 2 * int64_t{set.blocks[index]};
    begin = span[0];
    rows = span[1];
    if (begin < 0 || rows < 0 || int64_t{begin} + rows > spans.num_rows) __trap();
    constexpr int kTilesOfGroup = static_cast<int>(kScaleColumns) / (kTileRows / 2);
    const int row_tiles = set.jobs[index].weight.row_tiles;
    const int token_tiles = CeilPart(rows, set.tile_tokens);
    atoms = CeilPart(rows, kAtomRows);
    pieces = token_tiles * CeilPart(row_tiles, set.tile_warpgroups);
    arrivals = token_tiles * CeilPart(row_tiles, kTilesOfGroup);
  }
};

inline __global__ void __launch_bounds__(kRouteJobsThreads)
    RouteJobsKernel(const __grid_constant__ RouteJobsLaunch launch) {
  __shared__ int partial[kRouteJobsThreads / kWarpThreads];
  const RoutedSet& set = launch.sets[blockIdx.x];
  int64_t rows = 0;
  int atoms = 0, pieces = 0, arrivals = 0;
  for (int base = 0; base <= set.num_jobs; base += kRouteJobsThreads) {
    const int index = base + static_cast<int>(threadIdx.x);
    const RoutedJob routed(set, launch.spans, index);
    rows += ScanBlock(routed.rows, partial).total;
    const Scan atom = ScanBlock(routed.atoms, partial);
    const Scan piece = ScanBlock(routed.pieces, partial);
    const Scan arrival = ScanBlock(routed.arrivals, partial);
    if (index <= set.num_jobs) {
      QuantiseJob& quantise = set.quantise_jobs[index];
      quantise.x = set.x + routed.begin * set.x_stride;
      quantise.x_stride = set.x_stride;
      quantise.rows = routed.rows;
      quantise.first_atom = atoms + atom.before;
      quantise.ue8m0 = set.ue8m0;
      GemmJob& job = set.jobs[index];
      job.y = set.y + routed.begin * set.y_stride;
      job.y_stride = set.y_stride;
      job.rows = routed.rows;
      job.first_atom = atoms + atom.before;
      job.first_piece = pieces + piece.before;
      job.first_arrival = arrivals + arrival.before;
    }
    atoms += atom.total;
    pieces += piece.total;
    arrivals += arrival.total;
  }
  if (rows > launch.spans.max_rows) __trap();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTED_JOBS_CUH_
