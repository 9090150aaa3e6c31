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

// The halves of output `output` of a gate-up weight, without their biases, as its gate function
// joins them.
__device__ inline float Gated(const GemmWeight& weight, int output, float gate, float up) {
  if (weight.bias != nullptr && output < weight.n) {
    gate += weight.bias[output];
    up += weight.bias[weight.n + output];
  }
  if (weight.gate_function == GateFunction::kSilu) return gate / (1.0f + expf(-gate)) * up;
  if (weight.gate_function == GateFunction::kGeluTanh) {
    // (1 + tanh(u)) / 2 is the sigmoid of 2 u.
    const float twice_u = 1.5957691216057308f * (gate + 0.044715f * (gate * gate * gate));
    return gate / (1.0f + expf(-twice_u)) * up;
  }
  const float limit = weight.gate_limit;
  gate = gate > limit ? limit : gate;  // a NaN stays
  up = up > limit ? limit : up;
  up = up < -limit ? -limit : up;
  return gate / (1.0f + expf(-1.702f * gate)) * (up + 1.0f);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_COMMON_CUH_
