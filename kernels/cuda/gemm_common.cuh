// What the kernels of a product share.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_COMMON_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_COMMON_CUH_

#include "kernels/cuda/gemm_job.h"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

// One job, which travels with the launch, or many in device memory.
template <typename Job>
struct JobList {
  Job single;
  const Job* many;  // null: the single one
  int num_jobs;
};

// The job that holds `index`, where job i holds [jobs[i].*first, jobs[i + 1].*first). All lanes of
// a warp call with one index: they look at 32 jobs at once.
template <typename Job>
__device__ int FindJob(const Job* jobs, int num_jobs, int32_t Job::*first, int32_t index) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  int begun = 0;
  for (int base = 0; base < num_jobs; base += kWarpThreads) {
    const int job = base + lane;
    begun += __popc(__ballot_sync(0xffffffffu, job < num_jobs && jobs[job].*first <= index));
  }
  return begun - 1;
}

__device__ inline float SiluMul(float gate, float up) { return gate / (1.0f + expf(-gate)) * up; }

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_COMMON_CUH_
