// Launchers of kernels/cuda/quantise.cuh.
#include <algorithm>

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gemm_jobs.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/quantise.cuh"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kThreads = 128;

template <GemmForm kForm>
void QuantiseAs(CudaContext& cuda, const JobList<QuantiseJob>& jobs, int32_t most_k_tiles,
                const GemmActivations& to) {
  const int64_t threads = int64_t{to.num_atoms} * most_k_tiles * kAtomRows * kLanesOfRow<kForm>;
  SY_CHECK_LT(threads, int64_t{1} << 32) << "activations of one product";
  const auto blocks = static_cast<unsigned>((threads + kThreads - 1) / kThreads);
  Launch(cuda, QuantiseKernel<kForm>, {.blocks = dim3(blocks), .threads = kThreads}, jobs, to,
         most_k_tiles);
}

void QuantiseList(CudaContext& cuda, GemmForm form, const JobList<QuantiseJob>& jobs,
                  int32_t most_k_tiles, const GemmActivations& to) {
  if (form == GemmForm::kE4m3) return QuantiseAs<GemmForm::kE4m3>(cuda, jobs, most_k_tiles, to);
  QuantiseAs<GemmForm::kBf16>(cuda, jobs, most_k_tiles, to);
}

}  // namespace

void Quantise(CudaContext& cuda, GemmForm form, std::span<const QuantiseJob> jobs,
              const GemmActivations& to) {
  int32_t most_k_tiles = 0;
  for (const QuantiseJob& job : jobs) most_k_tiles = std::max(most_k_tiles, job.k_tiles);
  QuantiseList(cuda, form, ListOf(cuda, jobs, &QuantiseJob::first_atom), most_k_tiles, to);
}

void Quantise(CudaContext& cuda, GemmForm form, const DeviceJobs<QuantiseJob>& jobs,
              int32_t most_k_tiles, const GemmActivations& to) {
  QuantiseList(cuda, form, ListOf(jobs), most_k_tiles, to);
}

void GroupAmax(CudaContext& cuda, const GroupAmaxArgs& args) {
  SY_CHECK(args.x.dtype == DType::kBf16)
      << "GroupAmax: x: expected bf16, got " << Name(args.x.dtype);
  if (args.x.NumElements() == 0) return;
  const auto groups = static_cast<int>(args.amax.dims[1]);
  Launch(
      cuda, GroupAmaxKernel,
      {.blocks = BlocksFor(args.x.rows() * groups * kWarpThreads, kThreads), .threads = kThreads},
      args.x.row<const __nv_bfloat16>(0), args.x.row_stride, args.x.rows(),
      static_cast<int>(args.x.dims[1]), static_cast<int>(args.col_offset % kScaleColumns),
      args.amax.row<float>(0), args.amax.row_stride, groups);
}

}  // namespace switchyard::kernels::cuda
