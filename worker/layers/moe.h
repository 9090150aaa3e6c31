// The mixture-of-experts block: gate on this rank's slice of its group's tokens, dispatch, experts,
// combine in slot order, and the slices gathered again (ARCHITECTURE 4). The shared expert is one
// more group of rows; where an exchange overlaps ops, it computes while rows are dispatched.
#ifndef SWITCHYARD_WORKER_LAYERS_MOE_H_
#define SWITCHYARD_WORKER_LAYERS_MOE_H_

#include <memory>
#include <string>
#include <vector>

#include "proto/model.pb.h"
#include "worker/layers/linear.h"
#include "worker/weights/expert_names.h"

namespace switchyard::worker {

class MoeBlock {
 public:
  // `prefix` is up to and with ExpertNames::block.
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
            const v1::ModelSpec& model);

  // x: act [T, H], the same on every rank of the group; y: act [T, H], likewise, apart from x. T
  // may be 0: the rank still takes part in the exchange. `layer` names what is traced. Adds the
  // rows of this call to `expert_rows` [local experts], unless the step goes through
  // context.fixed_exchange, which counts them itself.
  absl::Status Forward(const LayerContext& context, int layer, const kernels::TensorView& x,
                       const kernels::TensorView& y, std::span<uint32_t> expert_rows) const;

 private:
  // The experts of some tokens.
  struct Routing {
    kernels::TensorView ids;      // i32 [T, k]
    kernels::TensorView weights;  // f32 [T, k]
  };

  Routing Route(const LayerContext& context, int layer, const kernels::TensorView& x) const;
  // y of this rank's slice, by context.exchange or by context.fixed_exchange.
  absl::Status ForwardCounted(const LayerContext& context, const Routing& routing,
                              const kernels::TensorView& x, const kernels::TensorView& y,
                              std::span<uint32_t> expert_rows) const;
  // x and y: this rank's slice of the rows.
  absl::Status ForwardFixed(const LayerContext& context, const Routing& routing,
                            const IndexRange& slice, const kernels::TensorView& x,
                            const kernels::TensorView& y) const;
  bool has_shared() const { return spec_.num_shared_experts() > 0; }
  // The shared expert of a step that computes it apart.
  void ComputeShared(const LayerContext& context, const kernels::TensorView& x,
                     const kernels::TensorView& y) const;
  // The shared expert's output follows as `base` where there is one.
  void Combine(const LayerContext& context, const kernels::TensorView& rows,
               const kernels::TensorView& row_of, const Routing& routing,
               const kernels::TensorView& base, const kernels::TensorView& y) const;
  void LoadMlp(WeightLoader& loader, const std::string& prefix, const ExpertNames& names,
               int64_t hidden_size, int64_t width, kernels::MlpWeights* mlp);

  v1::MoeSpec spec_;
  std::unique_ptr<kernels::PackedLinear> gate_;
  DeviceTensor correction_bias_;                            // empty with softmax scores
  std::vector<std::unique_ptr<kernels::MlpWeights>> mlps_;  // local experts, then the shared expert
  std::vector<const kernels::MlpWeights*> mlp_views_;
  // Of mlp_views_; made by the first step that needs it, for weights come after Load.
  mutable std::unique_ptr<kernels::MlpTable> mlp_table_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_MOE_H_
