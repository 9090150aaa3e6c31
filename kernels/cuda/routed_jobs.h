// Job lists of products whose rows only the device knows. A list is made once with its weights; one
// launch before the products gives its jobs their rows, their places and their pieces.
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTED_JOBS_H_
#define SWITCHYARD_KERNELS_CUDA_ROUTED_JOBS_H_

#include <iterator>
#include <span>

#include "kernels/cuda/cuda_context.h"
#include "kernels/cuda/gemm_job.h"

namespace switchyard::kernels::cuda {

// What gives a job its rows, and what they are cut by.
struct alignas(16) RoutedBlock {
  int32_t block;  // whose span it is
  int32_t row_tiles, k_tiles;
};

// One half of an MLP's blocks, as far as they multiply in one form.
struct RoutedSet {
  // In device memory, of the list. One job more, which stays without rows, ends it.
  QuantiseJob* quantise_jobs;  // [num_jobs + 1]: what depends on the weight is there
  GemmJob* jobs;               // [num_jobs + 1]: likewise
  int32_t* first_atoms;        // [num_jobs + 1]: of the jobs, side by side
  int32_t* first_pieces;       // likewise
  const RoutedBlock* blocks;   // [num_jobs]
  int32_t num_jobs;
  // Of this call. A job's rows are those of its span in x and in y.
  int32_t tile_tokens, tile_warpgroups;
  const __nv_bfloat16* x;
  int64_t x_stride;
  __nv_bfloat16* y;
  int64_t y_stride;
  int32_t ue8m0;
};

// Halves times forms.
inline constexpr int kMostRoutedSets = 2 * static_cast<int>(std::size(kGemmForms));

struct RoutedSpans {
  const int2* spans;  // [blocks]: first row and number
  int64_t num_rows;   // of x and y
  int64_t max_rows;   // of all spans of one set
};

// At most kMostRoutedSets.
void RouteJobs(CudaContext& cuda, std::span<const RoutedSet> sets, const RoutedSpans& spans);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTED_JOBS_H_
