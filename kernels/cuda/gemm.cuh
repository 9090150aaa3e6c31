// Body of the product kernel: D = W x^T by tiles of 64 outputs (a warpgroup each) by kTokens rows
// of activations, so that few rows waste little of the tensor cores. One warp copies tiles of K
// into a ring of stages; warpgroups multiply them.
//
// Bits: an output walks its part of K tile by tile in one order, whatever the block's shape.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_CUH_

#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gemm_common.cuh"
#include "kernels/cuda/gemm_store.cuh"
#include "kernels/cuda/gemm_sum.cuh"
#include "kernels/cuda/ptx/bulk_copy.cuh"

namespace switchyard::kernels::cuda {

struct GemmLaunch {
  JobList<GemmJob> jobs;
  GemmActivations x;
  int warpgroups;
  int stages;
};
static_assert(sizeof(GemmJob) <= kJobBytes && sizeof(GemmJob) % sizeof(uint32_t) == 0);

// This block's piece of its job.
struct GemmPiece {
  int first_row_tile, row_tiles;  // one for each warpgroup that has work
  int part;
  int first_token, tokens;
  int k_begin, k_end;  // tiles of K

  __device__ GemmPiece(const GemmJob& job, int block, int warpgroups, int tile_tokens) {
    const GemmWeight& weight = job.weight;
    const int token_tiles = (job.rows + tile_tokens - 1) / tile_tokens;
    // Neighbouring blocks share weight tiles.
    first_token = block % token_tiles * tile_tokens;
    tokens = min(tile_tokens, job.rows - first_token);
    part = block / token_tiles % weight.parts;
    first_row_tile = block / token_tiles / weight.parts * warpgroups;
    row_tiles = min(warpgroups, weight.row_tiles - first_row_tile);
    k_begin = weight.part_begin[part];
    k_end = weight.part_begin[part + 1];
  }
  __device__ int steps(const GemmJob& job) const { return (k_end - k_begin) * job.weight.planes; }
};

// By one warp: the block's job comes into shared memory.
__device__ inline void TakeJob(const JobList<GemmJob>& jobs, GemmJob& to) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  if (jobs.many == nullptr) {
    if (lane == 0) to = jobs.single;
  } else {
    const int index =
        FindJob(jobs.many, jobs.num_jobs, &GemmJob::first_block, static_cast<int32_t>(blockIdx.x));
    const auto* const words = reinterpret_cast<const uint32_t*>(jobs.many + index);
    for (unsigned i = lane; i < sizeof(GemmJob) / sizeof(uint32_t); i += kWarpThreads) {
      reinterpret_cast<uint32_t*>(&to)[i] = words[i];
    }
  }
  __syncwarp();
}

// One thread keeps the ring full.
template <GemmForm kForm, int kTokens>
__device__ void Produce(const GemmJob& job, const GemmActivations& x, const GemmPiece& piece,
                        StageRing ring, uint32_t shared, const GemmShared& at, int warpgroups) {
  const GemmWeight& weight = job.weight;
  const int64_t tiles_of_row = int64_t{weight.k_tiles} * weight.planes;
  const uint8_t* tile =
      weight.tiles +
      (piece.first_row_tile * tiles_of_row + int64_t{piece.k_begin} * weight.planes) * kTileBytes;
  const int first_atom = job.first_atom + piece.first_token / kAtomRows;
  const int num_atoms = (piece.tokens + kAtomRows - 1) / kAtomRows;
  const auto atom_bytes = static_cast<uint32_t>(num_atoms * kAtomBytes);
  const auto scale_bytes = static_cast<uint32_t>(num_atoms * kAtomRows * sizeof(float));
  const uint32_t bytes = static_cast<uint32_t>(piece.row_tiles) * kTileBytes + atom_bytes +
                         (kForm == GemmForm::kE4m3 ? scale_bytes : 0);
  int plane = 0, k_tile = piece.k_begin;
  for (int step = 0; step < piece.steps(job); ++step, ring.Next(), tile += kTileBytes) {
    ptx::Wait(ring.empty(ring.stage), ring.parity ^ 1);
    const uint32_t full = ring.full(ring.stage);
    const uint32_t to = shared + static_cast<uint32_t>(ring.stage * at.stage_bytes);
    ptx::ArriveExpectBytes(full, bytes);
    for (int i = 0; i < piece.row_tiles; ++i) {
      ptx::BulkLoad(to + static_cast<uint32_t>(i * kTileBytes),
                    tile + i * tiles_of_row * kTileBytes, kTileBytes, full);
    }
    const int64_t atom = int64_t{k_tile} * x.num_atoms + first_atom;
    ptx::BulkLoad(to + static_cast<uint32_t>(warpgroups * kTileBytes), x.atoms + atom * kAtomBytes,
                  atom_bytes, full);
    if constexpr (kForm == GemmForm::kE4m3) {
      ptx::BulkLoad(shared + static_cast<uint32_t>(at.scales_begin + ring.stage * kTokens * 4),
                    x.scales + atom * kAtomRows, scale_bytes, full);
    }
    if (++plane == weight.planes) {
      plane = 0;
      ++k_tile;
    }
  }
}

template <GemmForm kForm, int kTokens>
__global__ void __launch_bounds__(kMaxWarpgroups * 128 + kProducerThreads, 1)
    GemmKernel(const __grid_constant__ GemmLaunch launch) {
  extern __shared__ __align__(1024) uint8_t shared[];
  const GemmShared at = SharedOf(kTokens, launch.warpgroups, launch.stages);
  GemmJob& job = *reinterpret_cast<GemmJob*>(shared + at.job_begin);
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const uint32_t shared_address = ptx::SharedAddress(shared);
  const StageRing ring{.barriers = shared_address + static_cast<uint32_t>(at.barriers_begin),
                       .stages = launch.stages};
  if (warp == 0) {
    TakeJob(launch.jobs, job);
    const GemmPiece piece(job, static_cast<int>(blockIdx.x) - job.first_block, launch.warpgroups,
                          kTokens);
    if (lane < launch.stages) {
      ptx::InitMbarrier(ring.full(lane), 1);
      ptx::InitMbarrier(ring.empty(lane), static_cast<uint32_t>(piece.row_tiles) * 4);
    }
    ptx::FenceMbarrierInit();
  }
  __syncthreads();
  const GemmPiece piece(job, static_cast<int>(blockIdx.x) - job.first_block, launch.warpgroups,
                        kTokens);
  const int warpgroup = warp / 4;
  if (warpgroup == launch.warpgroups) {
    if (lane == 0) {
      Produce<kForm, kTokens>(job, launch.x, piece, ring, shared_address, at, launch.warpgroups);
    }
    return;
  }
  if (warpgroup >= piece.row_tiles) return;
  const Accumulator<kForm, kTokens> accumulator{.at = at,
                                                .shared = shared,
                                                .shared_address = shared_address,
                                                .warpgroups = launch.warpgroups,
                                                .warpgroup = warpgroup,
                                                .lane = lane};
  const int row_tile = piece.first_row_tile + warpgroup;
  typename ptx::Wgmma<kTokens>::Sums sums;
  if constexpr (kForm == GemmForm::kBf16) {
    accumulator.SumPlain(sums, ring, piece.steps(job));
  } else {
    constexpr int kTiles = TilesPerScale(kForm);
    const GemmWeight& weight = job.weight;
    const uint8_t* const slots =
        weight.scale_slots + row_tile * kTileRows + warp % 4 * 16 + lane / 4;
    const int64_t block = int64_t{row_tile} * (weight.k_tiles / kTiles) + piece.k_begin / kTiles;
    accumulator.SumScaled(sums, ring, (piece.k_end - piece.k_begin) / kTiles,
                          weight.scales + block * weight.slots, weight.slots,
                          {slots[0], slots[kAtomRows]});
  }
  constexpr int kStaged = kTokens < kStagedTokens ? kTokens : kStagedTokens;
  auto* const staged =
      reinterpret_cast<float*>(shared + at.staged_begin) + warpgroup * kStaged * kStagedPitch;
  StoreSums<kTokens>(sums, job,
                     {.row_tile = row_tile,
                      .part = piece.part,
                      .first_token = piece.first_token,
                      .tokens = piece.tokens},
                     staged, 1 + static_cast<uint32_t>(warpgroup));
}

// The instance for a tile of `tokens`.
template <GemmForm kForm>
GemmKernelPointer KernelFor(int tokens) {
  switch (tokens) {
    case 8:
      return GemmKernel<kForm, 8>;
    case 16:
      return GemmKernel<kForm, 16>;
    case 32:
      return GemmKernel<kForm, 32>;
    case 64:
      return GemmKernel<kForm, 64>;
    case 128:
      return GemmKernel<kForm, 128>;
    default:
      if constexpr (kForm == GemmForm::kBf16) return GemmKernel<kForm, 256>;
      return nullptr;
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_CUH_
