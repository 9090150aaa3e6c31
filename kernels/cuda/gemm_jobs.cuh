// Jobs on their way to a launch.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_JOBS_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_JOBS_CUH_

#include <cstring>
#include <span>
#include <vector>

#include "kernels/cuda/cuda_context.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gemm_common.cuh"

namespace switchyard::kernels::cuda {

// `first`: what the launch finds a job by. A single job needs no copy of its own.
template <typename Job>
JobList<Job> ListOf(CudaContext& cuda, std::span<const Job> jobs, int32_t Job::*first) {
  JobList<Job> list{.single = jobs.front(), .num_jobs = static_cast<int>(jobs.size())};
  if (jobs.size() == 1) return list;
  // One array: the jobs, then what they are found by.
  std::vector<std::byte> image(jobs.size() * (sizeof(Job) + sizeof(int32_t)));
  std::memcpy(image.data(), jobs.data(), jobs.size_bytes());
  std::byte* next = image.data() + jobs.size_bytes();
  for (const Job& job : jobs) {
    std::memcpy(next, &(job.*first), sizeof(int32_t));
    next += sizeof(int32_t);
  }
  const std::byte* const uploaded = cuda.staging.UploadOnce(std::span<const std::byte>(image));
  list.many = reinterpret_cast<const Job*>(uploaded);
  list.firsts = reinterpret_cast<const int32_t*>(uploaded + jobs.size_bytes());
  return list;
}

template <typename Job>
JobList<Job> ListOf(const DeviceJobs<Job>& jobs) {
  return {.many = jobs.jobs, .firsts = jobs.firsts, .num_jobs = jobs.num_jobs};
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_JOBS_CUH_
