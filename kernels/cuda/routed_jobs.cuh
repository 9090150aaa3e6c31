// Body of the kernel that gives jobs their rows (routed_jobs.h): a block for each set walks its
// jobs in order, two threads a job.
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
  int begin = 0, rows = 0, k_tiles = 0;
  int atoms = 0, pieces = 0, arrivals = 0;

  __device__ RoutedJob(const RoutedSet& set, const RoutedSpans& spans, int index) {
    if (index >= set.num_jobs) return;
    const int4 block = *reinterpret_cast<const int4*>(set.blocks + index);
    const int2 span = spans.spans[block.x];
    const int row_tiles = block.y;
    k_tiles = block.z;
    begin = span.x;
    rows = span.y;
    if (begin < 0 || rows < 0 || int64_t{begin} + rows > spans.num_rows) __trap();
    constexpr int kTilesOfGroup = static_cast<int>(kScaleColumns) / (kTileRows / 2);
    const int token_tiles = CeilPart(rows, set.tile_tokens);
    atoms = CeilPart(rows, kAtomRows);
    pieces = token_tiles * CeilPart(row_tiles, set.tile_warpgroups);
    arrivals = token_tiles * CeilPart(row_tiles, kTilesOfGroup);
  }
};

// Where the parts of a set's jobs begin.
struct RoutedFirsts {
  int atom = 0, piece = 0, arrival = 0;
};

__device__ inline int4 HalfOf(const __nv_bfloat16* rows, int64_t stride) {
  const auto address = reinterpret_cast<uint64_t>(rows);
  return {static_cast<int>(address), static_cast<int>(address >> 32), static_cast<int>(stride),
          static_cast<int>(stride >> 32)};
}

// One half of a sector of each kind of job, by the thread that has this half: neighbours write one
// sector with one store.
__device__ inline void StoreHalf(const RoutedSet& set, const RoutedJob& routed, int index,
                                 bool second, const RoutedFirsts& first) {
  int4 quantise = HalfOf(set.x + routed.begin * set.x_stride, set.x_stride);
  int4 multiply = HalfOf(set.y + routed.begin * set.y_stride, set.y_stride);
  if (second) {
    quantise = {routed.rows, first.atom, set.ue8m0, routed.k_tiles};
    multiply = {routed.rows, first.atom, first.piece, first.arrival};
  }
  const int half = second ? 1 : 0;
  reinterpret_cast<int4*>(set.quantise_jobs + index)[half] = quantise;
  reinterpret_cast<int4*>(set.jobs + index)[half] = multiply;
  if (second) {
    set.first_pieces[index] = first.piece;
  } else {
    set.first_atoms[index] = first.atom;
  }
}

inline __global__ void __launch_bounds__(kRouteJobsThreads)
    RouteJobsKernel(const __grid_constant__ RouteJobsLaunch launch) {
  __shared__ int partial[kRouteJobsThreads / kWarpThreads];
  const RoutedSet& set = launch.sets[blockIdx.x];
  const bool second = threadIdx.x % 2 == 1;
  int64_t rows = 0;
  RoutedFirsts first;
  for (int base = 0; base <= set.num_jobs; base += kRouteJobsThreads / 2) {
    const int index = base + static_cast<int>(threadIdx.x) / 2;
    const RoutedJob routed(set, launch.spans, index);
    // Both threads of a job have its parts, the first one counts them.
    const auto scan_parts = [&](int parts) {
      Scan scan = ScanBlock(second ? 0 : parts, partial);
      if (second) scan.before -= parts;
      return scan;
    };
    rows += scan_parts(routed.rows).total;
    const Scan atom = scan_parts(routed.atoms);
    const Scan piece = scan_parts(routed.pieces);
    const Scan arrival = scan_parts(routed.arrivals);
    if (index <= set.num_jobs) {
      StoreHalf(
          set, routed, index, second,
          {first.atom + atom.before, first.piece + piece.before, first.arrival + arrival.before});
    }
    first.atom += atom.total;
    first.piece += piece.total;
    first.arrival += arrival.total;
  }
  if (rows > launch.spans.max_rows) __trap();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTED_JOBS_CUH_
