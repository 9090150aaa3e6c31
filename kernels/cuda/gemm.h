// The two launches of a matrix product, and the third that adds virtual shards:
//   Quantise  brings rows of bf16 into the tiles that tensor cores read, once; blocks of the
//             product, of which each row meets as many as the weight has row tiles, copy them.
//   Multiply  streams weight and activation tiles through shared memory. Gate and up of e4m3 may
//             hand their results over: quantised, for the next product (gemm_hand_over.cuh).
//   Combine   adds the shards' sums as a balanced tree, where they ran side by side (few rows); of
//             many rows, blocks walk that tree themselves.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_H_
#define SWITCHYARD_KERNELS_CUDA_GEMM_H_

#include <span>

#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/cuda_context.h"
#include "kernels/cuda/gemm_job.h"

namespace switchyard::kernels::cuda {

// All jobs have rows. `first_atom` is set; the activations have room for all jobs' atoms.
void Quantise(CudaContext& cuda, GemmForm form, std::span<const QuantiseJob> jobs,
              const GemmActivations& to);

// All jobs have rows; `first_piece` is set for this tile.
void Multiply(CudaContext& cuda, GemmForm form, const GemmTile& tile, std::span<const GemmJob> jobs,
              const GemmRows& rows);
// Pieces of a job.
int64_t NumPieces(const GemmTile& tile, const GemmJob& job);
// Sums that wait while `parts` of K are walked.
int TreeLevels(int64_t parts);

void Combine(CudaContext& cuda, std::span<const GemmJob> jobs);

// The same of jobs that were made on the device (routed_jobs.h), of which the host knows bounds.
// Any may be without rows; the last one is, and holds all that is beyond the others.
template <typename Job>
struct DeviceJobs {
  const Job* jobs;
  const int32_t* firsts;  // [num_jobs]: of each job, its first atom or piece
  int32_t num_jobs;
  int64_t most;  // atoms or pieces of all jobs: no more than this
};
void Quantise(CudaContext& cuda, GemmForm form, const DeviceJobs<QuantiseJob>& jobs,
              int32_t most_k_tiles, const GemmActivations& to);
// `levels`: of the largest tree over parts of K. REQUIRES: parts are not split.
void Multiply(CudaContext& cuda, GemmForm form, const GemmTile& tile,
              const DeviceJobs<GemmJob>& jobs, int levels, const GemmRows& rows);

// The kernels of one form, for tiles of `tokens`.
struct GemmLaunch;
using GemmKernelPointer = void (*)(GemmLaunch);
GemmKernelPointer Bf16Kernel(int tokens);
GemmKernelPointer Bf16ScaledKernel(int tokens);
GemmKernelPointer E4m3Kernel(int tokens);
GemmKernelPointer Int4Kernel(int tokens);
GemmKernelPointer Mxfp4Kernel(int tokens);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_H_
