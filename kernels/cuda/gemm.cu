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
    case GemmForm::kE4m3:
      return E4m3Kernel(tokens);
    case GemmForm::kInt4:
      return Int4Kernel(tokens);
    default:
      return Mxfp4Kernel(tokens);
  }
}

int64_t CeilDiv(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

int MostLevels(std::span<const GemmJob> jobs) {
  int levels = 0;
  for (const GemmJob& job : jobs) levels = std::max(levels, TreeLevels(job.weight.parts));
  return levels;
}

void LaunchProduct(CudaContext& cuda, GemmForm form, const GemmTile& tile, GemmLaunch launch) {
  const GemmKernelPointer kernel = KernelOf(form, tile.tokens);
  SY_CHECK(kernel != nullptr) << "no product kernel for tiles of " << tile.tokens;
  const int64_t blocks =
      std::min<int64_t>(launch.num_pieces, int64_t{cuda.device.num_sms()} * ResidentBlocks(tile));
  launch.warpgroups = tile.warpgroups;
  launch.stages = tile.stages;
  launch.split_parts = tile.split_parts;
  if (launch.levels > 0) {
    launch.pending = cuda.sums.Reserve<float>(blocks * launch.levels * tile.warpgroups *
                                              tile.tokens * kTileRows);
  }
  const int shared_bytes =
      SharedOf(tile.tokens, tile.warpgroups, tile.stages, tile.slot_bytes).num_bytes;
  SY_CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  Launch(cuda, kernel,
         {.blocks = dim3(static_cast<unsigned>(blocks)),
          .threads = tile.threads(),
          .shared_bytes = shared_bytes},
         launch);
}

}  // namespace

int64_t NumPieces(const GemmTile& tile, const GemmJob& job) {
  return CeilDiv(job.weight.row_tiles, tile.warpgroups) * CeilDiv(job.rows, tile.tokens) *
         (tile.split_parts ? job.weight.parts : 1);
}

int TreeLevels(int64_t parts) { return std::bit_width(static_cast<uint64_t>(parts)) - 1; }

void Multiply(CudaContext& cuda, GemmForm form, const GemmTile& tile, std::span<const GemmJob> jobs,
              const GemmRows& rows) {
  const int64_t pieces = jobs.back().first_piece + NumPieces(tile, jobs.back());
  LaunchProduct(cuda, form, tile,
                {.jobs = ListOf(cuda, jobs, &GemmJob::first_piece),
                 .rows = rows,
                 .num_pieces = static_cast<int>(pieces),
                 .levels = tile.split_parts ? 0 : MostLevels(jobs)});
}

void Multiply(CudaContext& cuda, GemmForm form, const GemmTile& tile,
              const DeviceJobs<GemmJob>& jobs, int levels, const GemmRows& rows) {
  SY_CHECK(!tile.split_parts && jobs.most <= INT32_MAX) << jobs.most << " pieces of one product";
  LaunchProduct(cuda, form, tile,
                {.jobs = ListOf(jobs),
                 .rows = rows,
                 .num_pieces = static_cast<int>(jobs.most),
                 .levels = levels});
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
  Launch(cuda, CombineKernel, {.blocks = blocks, .threads = kThreads},
         ListOf(cuda, jobs, &GemmJob::first_piece));
}

}  // namespace switchyard::kernels::cuda
