// Linear layers over the tensor group.
#ifndef SWITCHYARD_WORKER_LAYERS_LINEAR_H_
#define SWITCHYARD_WORKER_LAYERS_LINEAR_H_

#include <memory>
#include <string>

#include "base/status.h"
#include "worker/layers/layer_context.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

// Which forms of its input a layer reads.
struct InputForms {
  bool rows = true;
  bool quantised = false;
};
// What a norm hands to the layer behind it.
struct NormedRows {
  kernels::TensorView rows;          // act [T, K]; may be empty
  kernels::QuantisedRows quantised;  // of the same rows; may be empty

  int64_t num_rows() const { return quantised.empty() ? rows.rows() : quantised.rows; }
};

// y = x W^T on this rank alone: a replicated weight, or this rank's rows of one (column parallel).
// Of two forms of x the one that the weight takes.
void ApplyLinear(const LayerContext& context, const kernels::PackedLinear& weight,
                 const NormedRows& x, const kernels::TensorView& y);
void ApplyLinear(const LayerContext& context, const kernels::PackedLinear& weight,
                 const kernels::TensorView& x, const kernels::TensorView& y);

// y (act) = the sum of `sums` (contiguous f32) over the tensor group in the model's tree, rounded
// once. May be the same memory.
absl::Status TreeAllReduce(const LayerContext& context, const kernels::TensorView& sums,
                           const kernels::TensorView& y);
// Where to put this rank's part of such a sum: y itself, or f32 memory of the arena where y is
// narrower and there is something to add.
kernels::TensorView TakeSums(const LayerContext& context, const kernels::TensorView& y);

// y = x W^T where every rank of the tensor group holds some columns of W and the same columns of x
// (row parallel). The sum over K is the model's tree of virtual shards, whatever the number of
// ranks (ARCHITECTURE 1.5).
class RowParallelLinear {
 public:
  // `rows` x `cols` is the whole weight; the bias may be empty.
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& tensor,
            int64_t rows, int64_t cols, const std::string& bias);

  // Quantisation groups of a whole row of `cols` inputs: floats per token that ranks may exchange.
  static int64_t NumAmaxGroups(int64_t cols);

  // x: act [T, cols / tensor ranks]; y: act [T, rows], the same on every rank.
  absl::Status Forward(const LayerContext& context, const kernels::TensorView& x,
                       const kernels::TensorView& y) const;

 private:
  absl::StatusOr<kernels::TensorView> GatherAmax(const LayerContext& context,
                                                 const kernels::TensorView& x) const;

  std::unique_ptr<kernels::PackedLinear> weight_;
  DeviceTensor bias_;  // added after the sum over ranks
  int64_t cols_ = 0;
  int64_t col_begin_ = 0;
  bool fp8_ = false;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_LINEAR_H_
