// The blocks of a RoutedMlp as job lists in device memory.
#ifndef SWITCHYARD_KERNELS_CUDA_MLP_TABLE_H_
#define SWITCHYARD_KERNELS_CUDA_MLP_TABLE_H_

#include <vector>

#include "kernels/args/linear.h"
#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/cuda_context.h"
#include "kernels/cuda/routed_jobs.h"

namespace switchyard::kernels::cuda {

// One half of the blocks, as far as they multiply in one form.
struct TableSet {
  GemmForm form = GemmForm::kBf16;
  RoutedSet list{};  // without a call's fields
  Buffer memory;     // of the list
  // Over all of its jobs.
  int64_t row_tiles = 0, k_bytes = 0;  // sums
  int64_t most_row_tiles = 0, most_k_tiles = 0, most_parts = 0;
};

class CudaMlpTable final : public MlpTable {
 public:
  CudaMlpTable(CudaContext& cuda, std::span<const MlpWeights* const> mlps);

  std::span<const TableSet> up() const { return up_; }
  std::span<const TableSet> down() const { return down_; }
  int64_t width() const { return width_; }  // the largest between the halves
  // The first half's launch can quantise what the second half reads.
  bool hands_over() const { return hands_over_; }

 private:
  std::vector<TableSet> up_, down_;  // of forms that there are
  int64_t width_ = 0;
  bool hands_over_ = true;
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_MLP_TABLE_H_
