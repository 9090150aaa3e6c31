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
  // [num_jobs]: what a launch finds a job by, its first atom or piece, side by side.
  const int32_t* firsts;
  int num_jobs;
};

// The job that holds `index`, where job i holds [firsts[i], firsts[i + 1]). All lanes of a warp
// call with one index: they look at 32 jobs at once.
template <typename Job>
__device__ int FindJob(const JobList<Job>& jobs, int32_t index) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  int begun = 0;
  for (int base = 0; base < jobs.num_jobs; base += kWarpThreads) {
    const int job = base + lane;
    begun += __popc(__ballot_sync(0xffffffffu, job < jobs.num_jobs && jobs.firsts[job] <= index));
  }
  return begun - 1;
}

__device__ inline float SiluMul(float gate, float up) { return gate / (1.0f + expf(-gate)) * up; }

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_COMMON_CUH_
