// Launchers of kernels/cuda/gemm.cuh and gemm_combine.cuh.
#include <algorithm>
#include <bit>

#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/gemm_combine.cuh"
#include "kernels/cuda/gemm_jobs.cuh"
#include "kernels/cuda/launch.cuh"

namespace switchyard::kernels::cuda {
namespace {

GemmKernelPointer KernelOf(GemmForm form, int tokens) {
  switch (form) {
    case GemmForm::kBf16:
      return Bf16Kernel(tokens);
    case GemmForm::kBf16Scaled:
      return Bf16ScaledKernel(tokens);
    default:
      return E4m3Kernel(tokens);
  }
}

int64_t CeilDiv(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// Sums that wait while the parts of K are walked.
int TreeLevels(std::span<const GemmJob> jobs) {
  int levels = 0;
  for (const GemmJob& job : jobs) {
    levels = std::max<int>(levels, std::bit_width(static_cast<unsigned>(job.weight.parts)) - 1);
  }
  return levels;
}

}  // namespace

int64_t NumPieces(const GemmTile& tile, const GemmJob& job) {
  return CeilDiv(job.weight.row_tiles, tile.warpgroups) * CeilDiv(job.rows, tile.tokens) *
         (tile.split_parts ? job.weight.parts : 1);
}

void Multiply(CudaContext& cuda, GemmForm form, const GemmTile& tile, std::span<const GemmJob> jobs,
              const GemmRows& rows) {
  const GemmKernelPointer kernel = KernelOf(form, tile.tokens);
  SY_CHECK(kernel != nullptr) << "no product kernel for tiles of " << tile.tokens;
  const int64_t pieces = jobs.back().first_piece + NumPieces(tile, jobs.back());
  const int64_t blocks = std::min(pieces, int64_t{cuda.device.num_sms()} * ResidentBlocks(tile));
  GemmLaunch launch{.jobs = ListOf(cuda, jobs),
                    .rows = rows,
                    .num_pieces = static_cast<int>(pieces),
                    .warpgroups = tile.warpgroups,
                    .stages = tile.stages,
                    .levels = tile.split_parts ? 0 : TreeLevels(jobs),
                    .split_parts = tile.split_parts};
  if (launch.levels > 0) {
    launch.pending = cuda.sums.Reserve<float>(blocks * launch.levels * tile.warpgroups *
                                              tile.tokens * kTileRows);
  }
  const int shared_bytes = SharedOf(tile.tokens, tile.warpgroups, tile.stages).num_bytes;
  SY_CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  Launch(cuda, kernel,
         {.blocks = dim3(static_cast<unsigned>(blocks)),
          .threads = tile.threads(),
          .shared_bytes = shared_bytes},
         launch);
}

void Combine(CudaContext& cuda, std::span<const GemmJob> jobs) {
  constexpr int kThreads = 256;
  int64_t most = 0;
  for (const GemmJob& job : jobs) {
    if (job.sums != nullptr) most = std::max(most, int64_t{job.rows} * job.weight.n);
  }
  if (most == 0) return;
  dim3 blocks = BlocksFor(most, kThreads);
  blocks.y = static_cast<unsigned>(jobs.size());
  Launch(cuda, CombineKernel, {.blocks = blocks, .threads = kThreads}, ListOf(cuda, jobs));
}

}  // namespace switchyard::kernels::cuda
