// Launcher of kernels/cuda/routed_jobs.cuh.
#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/routed_jobs.cuh"

namespace switchyard::kernels::cuda {

void RouteJobs(CudaContext& cuda, std::span<const RoutedSet> sets, const RoutedSpans& spans) {
  SY_CHECK_LE(std::ssize(sets), kMostRoutedSets);
  RouteJobsLaunch launch{.sets = {}, .spans = spans};
  std::copy(sets.begin(), sets.end(), launch.sets);
  Launch(cuda, RouteJobsKernel,
         {.blocks = dim3(static_cast<unsigned>(sets.size())), .threads = kRouteJobsThreads},
         launch);
}

}  // namespace switchyard::kernels::cuda
