// Body of the product kernel: D = W x^T by tiles of 64 outputs (a warpgroup each) by kTokens rows
// of activations, so that few rows waste little of the tensor cores. One warp copies tiles of K
// into a ring of stages; warpgroups multiply them.
//
// Bits: an output walks its part of K tile by tile in one order, whatever the block's shape.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_CUH_

#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gemm_coded_sum.cuh"
#include "kernels/cuda/gemm_common.cuh"
#include "kernels/cuda/gemm_hand_over.cuh"
#include "kernels/cuda/gemm_store.cuh"
#include "kernels/cuda/gemm_sum.cuh"
#include "kernels/cuda/ptx/bulk_copy.cuh"
#include "kernels/cuda/ptx/registers.cuh"

namespace switchyard::kernels::cuda {

struct GemmLaunch {
  JobList<GemmJob> jobs;
  GemmRows rows;
  float* pending;  // see PendingSums; null: nothing waits
  int num_pieces;  // at most: a job without rows ends the list before
  int warpgroups;
  int stages;
  int levels;       // of `pending`
  int split_parts;  // every part of K is a piece of its own
};
static_assert(sizeof(GemmJob) <= kJobBytes && sizeof(GemmJob) % sizeof(uint32_t) == 0);

// What a block does at once: some row tiles of a job times some rows of activations.
struct GemmPiece {
  int first_row_tile, row_tiles;  // one for each warpgroup that has work
  int first_token, tokens;
  int first_part, parts;
  int k_begin, k_end;  // tiles of K

  __device__ GemmPiece(const GemmJob& job, const GemmLaunch& launch, int index, int tile_tokens) {
    constexpr int kGroup = 16;
    const GemmWeight& weight = job.weight;
    index -= job.first_piece;
    parts = weight.parts;
    first_part = 0;
    if (launch.split_parts != 0) {
      first_part = index % parts;
      index /= parts;
      parts = 1;
    }
    k_begin = weight.part_begin[first_part];
    k_end = weight.part_begin[first_part + parts];
    // Pieces that run at the same time are a block of the result, not a strip: they share more.
    const int token_tiles = (job.rows + tile_tokens - 1) / tile_tokens;
    const int row_blocks = (weight.row_tiles + launch.warpgroups - 1) / launch.warpgroups;
    const int group = index / (kGroup * row_blocks);
    const int width = min(kGroup, token_tiles - group * kGroup);
    index -= group * kGroup * row_blocks;
    first_token = (group * kGroup + index % width) * tile_tokens;
    tokens = min(tile_tokens, job.rows - first_token);
    first_row_tile = index / width * launch.warpgroups;
    row_tiles = min(launch.warpgroups, weight.row_tiles - first_row_tile);
  }
  __device__ int steps(const GemmJob& job) const { return (k_end - k_begin) * job.weight.planes; }
};

// By one warp: the job of piece `index` comes into shared memory. A single job stays there.
__device__ inline void TakeJob(const GemmLaunch& launch, int index, bool first, GemmJob& to) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  if (launch.jobs.many == nullptr) {
    if (first && lane == 0) to = launch.jobs.single;
  } else {
    const int job = FindJob(launch.jobs, index);
    const auto* const words = reinterpret_cast<const uint32_t*>(launch.jobs.many + job);
    for (unsigned i = lane; i < sizeof(GemmJob) / sizeof(uint32_t); i += kWarpThreads) {
      reinterpret_cast<uint32_t*>(&to)[i] = words[i];
    }
  }
  __syncwarp();
}

// A block's shared memory, and its place in the launch.
struct GemmBlock {
  const GemmLaunch& launch;
  GemmShared at;
  uint8_t* shared;
  uint32_t address;  // of `shared`

  // The copy of a warpgroup, or (the last one) of the warp that copies.
  __device__ GemmJob& job(int warpgroup) const {
    return reinterpret_cast<GemmJob*>(shared + at.job_begin)[warpgroup];
  }
};

// One thread copies the tiles of one piece, as stages become empty.
template <GemmForm kForm, int kTokens>
__device__ void ProducePiece(const GemmBlock& block, const GemmJob& job, const GemmPiece& piece,
                             StageRing& ring) {
  const GemmWeight& weight = job.weight;
  const GemmActivations& x = block.launch.rows.x;
  const int64_t tiles_of_row = int64_t{weight.k_tiles} * weight.planes;
  const int tile_bytes = TileBytes(kForm, weight.groups);
  const uint8_t* tile =
      weight.tiles +
      (piece.first_row_tile * tiles_of_row + int64_t{piece.k_begin} * weight.planes) * tile_bytes;
  const int first_atom = job.first_atom + piece.first_token / kAtomRows;
  const int num_atoms = (piece.tokens + kAtomRows - 1) / kAtomRows;
  const auto atom_bytes = static_cast<uint32_t>(num_atoms * kAtomBytes);
  const auto scale_bytes = static_cast<uint32_t>(num_atoms * kAtomRows * sizeof(float));
  const uint32_t bytes = static_cast<uint32_t>(piece.row_tiles * tile_bytes) + atom_bytes +
                         (kForm == GemmForm::kE4m3 ? scale_bytes : 0);
  int plane = 0, k_tile = piece.k_begin;
  for (int step = 0; step < piece.steps(job); ++step, ring.Next(), tile += tile_bytes) {
    ptx::Wait(ring.empty(ring.stage), ring.parity ^ 1);
    const uint32_t full = ring.full(ring.stage);
    const uint32_t to = block.address + static_cast<uint32_t>(ring.stage * block.at.stage_bytes);
    ptx::ArriveExpectBytes(full, bytes);
    for (int i = 0; i < piece.row_tiles; ++i) {
      ptx::BulkLoad(to + static_cast<uint32_t>(i * SlotBytes(kForm)),
                    tile + i * tiles_of_row * tile_bytes, static_cast<uint32_t>(tile_bytes), full);
    }
    const int64_t atom = int64_t{k_tile} * x.num_atoms + first_atom;
    ptx::BulkLoad(to + static_cast<uint32_t>(block.at.x_begin), x.atoms + atom * kAtomBytes,
                  atom_bytes, full);
    if constexpr (kForm == GemmForm::kE4m3) {
      const int scales = block.at.scales_begin + ring.stage * kTokens * int{sizeof(float)};
      ptx::BulkLoad(block.address + static_cast<uint32_t>(scales), x.scales + atom * kAtomRows,
                    scale_bytes, full);
    }
    if (++plane == weight.planes) {
      plane = 0;
      ++k_tile;
    }
  }
}

// By the warp that copies: it runs ahead into the next pieces while the last one is stored.
template <GemmForm kForm, int kTokens>
__device__ void Produce(const GemmBlock& block, StageRing ring) {
  GemmJob& job = block.job(block.launch.warpgroups);
  const int first = static_cast<int>(blockIdx.x);
  for (int index = first; index < block.launch.num_pieces; index += static_cast<int>(gridDim.x)) {
    TakeJob(block.launch, index, index == first, job);
    if (job.rows == 0) break;
    const GemmPiece piece(job, block.launch, index, kTokens);
    if (threadIdx.x % kWarpThreads == 0) {
      ProducePiece<kForm, kTokens>(block, job, piece, ring);
    }
    __syncwarp();  // the job may be overwritten
  }
}

// The sum of one part of K.
template <GemmForm kForm, int kTokens>
__device__ void SumPart(const Accumulator<kForm, kTokens>& accumulator, const GemmWeight& weight,
                        int row_tile, int part, StageRing& ring,
                        typename ptx::Wgmma<kTokens>::Sums& sums) {
  const int k_begin = weight.part_begin[part], k_end = weight.part_begin[part + 1];
  if constexpr (kForm == GemmForm::kBf16) {
    accumulator.SumPlain(sums, ring, (k_end - k_begin) * weight.planes);
  } else if constexpr (IsCoded(kForm)) {
    CodedSum<kForm, kTokens>{accumulator, weight.groups}.Sum(sums, ring, k_end - k_begin);
  } else {
    constexpr int kTiles = TilesPerScale(kForm);
    const int row = static_cast<int>(threadIdx.x) / kWarpThreads % 4 * 16 + accumulator.lane / 4;
    const uint8_t* const slots = weight.scale_slots + row_tile * kTileRows + row;
    const int64_t first = int64_t{row_tile} * (weight.k_tiles / kTiles) + k_begin / kTiles;
    accumulator.SumScaled(sums, ring, (k_end - k_begin) / kTiles,
                          weight.scales + first * weight.slots, weight.slots,
                          {slots[0], slots[kAtomRows]});
  }
}

// By a warpgroup.
template <GemmForm kForm, int kTokens>
__device__ void Consume(const GemmBlock& block, int warpgroup, StageRing ring) {
  constexpr int kStaged = kTokens < kStagedTokens ? kTokens : kStagedTokens;
  const GemmLaunch& launch = block.launch;
  const auto barrier = static_cast<uint32_t>(1 + warpgroup);
  auto* const staged = reinterpret_cast<float*>(block.shared + block.at.staged_begin) +
                       warpgroup * kStaged * kStagedPitch;
  const Accumulator<kForm, kTokens> accumulator{
      .at = block.at,
      .shared = block.shared,
      .shared_address = block.address,
      .warpgroup = warpgroup,
      .lane = static_cast<int>(threadIdx.x) % kWarpThreads};
  GemmJob& job = block.job(warpgroup);
  const int first = static_cast<int>(blockIdx.x);
  for (int index = first; index < launch.num_pieces; index += static_cast<int>(gridDim.x)) {
    ptx::SyncNamed(barrier, 128);  // the last piece is stored: its job and rows were read
    if (threadIdx.x / kWarpThreads % 4 == 0) TakeJob(launch, index, index == first, job);
    ptx::SyncNamed(barrier, 128);
    if (job.rows == 0) break;
    const GemmPiece piece(job, launch, index, kTokens);
    if (warpgroup >= piece.row_tiles) {
      accumulator.Skip(ring, piece.steps(job));
      continue;
    }
    const int row_tile = piece.first_row_tile + warpgroup;
    typename ptx::Wgmma<kTokens>::Sums sums;
    for (int i = 0; i < piece.parts; ++i) {
      SumPart(accumulator, job.weight, row_tile, piece.first_part + i, ring, sums);
      if (piece.parts == 1) break;
      PendingSums<kTokens>(launch.pending, launch.levels, launch.warpgroups, warpgroup)
          .Join(sums, i, piece.parts);
    }
    const StorePlace place{.row_tile = row_tile,
                           .part = piece.first_part,
                           .first_token = piece.first_token,
                           .tokens = piece.tokens};
    StoreSums<kTokens>(sums, job, place, staged, barrier);
    if constexpr (kForm == GemmForm::kE4m3) {
      if (launch.rows.to.arrivals == nullptr) continue;
      HandOver<kTokens>(job, place, launch.rows.to, reinterpret_cast<int32_t*>(staged), barrier);
    }
  }
}

// Columns without a token are scaled too, and nobody takes them; no copy brings them a scale.
__device__ inline void ZeroScales(const GemmBlock& block, int tile_tokens) {
  auto* const scales = reinterpret_cast<float*>(block.shared + block.at.scales_begin);
  const int count = block.launch.stages * tile_tokens, step = static_cast<int>(blockDim.x);
  for (int i = static_cast<int>(threadIdx.x); i < count; i += step) scales[i] = 0;
  ptx::FenceProxyAsync();  // before the copies
}

// Blocks stay and take piece after piece in strides of the grid.
template <GemmForm kForm, int kTokens>
__global__ void __launch_bounds__(kMaxWarpgroups * 128 + ProducerThreads(kTokens), 1)
    GemmKernel(const __grid_constant__ GemmLaunch launch) {
  // Of 168 registers for each of three warpgroups, the one that copies gives most away.
  constexpr bool kHandsRegistersOver = ProducerThreads(kTokens) == 128;
  constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
  extern __shared__ __align__(1024) uint8_t shared[];
  const GemmBlock block{.launch = launch,
                        .at = SharedOf(kTokens, launch.warpgroups, launch.stages, SlotBytes(kForm)),
                        .shared = shared,
                        .address = ptx::SharedAddress(shared)};
  const StageRing ring{.barriers = block.address + static_cast<uint32_t>(block.at.barriers_begin),
                       .stages = launch.stages};
  if (static_cast<int>(threadIdx.x) < launch.stages) {
    const int stage = static_cast<int>(threadIdx.x);
    ptx::InitMbarrier(ring.full(stage), 1);
    ptx::InitMbarrier(ring.empty(stage), static_cast<uint32_t>(launch.warpgroups) * 4);
    ptx::FenceMbarrierInit();
  }
  if constexpr (kForm == GemmForm::kE4m3) ZeroScales(block, kTokens);
  __syncthreads();
  const int warpgroup = static_cast<int>(threadIdx.x) / 128;
  if (warpgroup == launch.warpgroups) {
    if constexpr (kHandsRegistersOver) ptx::ShrinkRegisters<kProducerRegisters>();
    if (threadIdx.x / kWarpThreads % 4 == 0) Produce<kForm, kTokens>(block, ring);
  } else {
    if constexpr (kHandsRegistersOver) ptx::GrowRegisters<kConsumerRegisters>();
    Consume<kForm, kTokens>(block, warpgroup, ring);
  }
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
      return nullptr;
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_CUH_
