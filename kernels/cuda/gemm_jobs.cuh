// Jobs on their way to a launch.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_JOBS_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_JOBS_CUH_

#include <span>

#include "kernels/cuda/cuda_context.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gemm_common.cuh"

namespace switchyard::kernels::cuda {

// A single job needs no copy of its own.
template <typename Job>
JobList<Job> ListOf(CudaContext& cuda, std::span<const Job> jobs) {
  JobList<Job> list{.single = jobs.front(), .num_jobs = static_cast<int>(jobs.size())};
  if (jobs.size() > 1) list.many = cuda.staging.UploadOnce(jobs);
  return list;
}

template <typename Job>
JobList<Job> ListOf(const DeviceJobs<Job>& jobs) {
  return {.many = jobs.jobs, .num_jobs = jobs.num_jobs};
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_JOBS_CUH_
