// The mixture-of-experts block: gate on this rank's slice of its group's tokens, dispatch, experts,
// combine in slot order, and the slices gathered again (ARCHITECTURE 4). It comes in steps, between
// which other work may be issued, such as those of another micro-batch. The shared expert is one
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

// The experts of some tokens.
struct Routing {
  kernels::TensorView ids;      // i32 [T, k]
  kernels::TensorView weights;  // f32 [T, k]
};

// One micro-batch on its way through a block.
struct MoePass {
  ExpertExchange* exchange = nullptr;
  kernels::TensorView x;  // act [T, H], the same on every rank of the group; stays until Finish
  kernels::TensorView y;  // act [T, H], likewise, apart from x; there after Finish
  std::span<const int64_t> slots;  // of LayerContext, T or none
  Routing routing;                 // of this rank's slice: memory from TakeRouting
};

class MoeBlock {
 public:
  // `prefix` is up to and with ExpertNames::block.
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
            const v1::ModelSpec& model);

  // For a micro-batch of `tokens`, for all layers.
  static Routing TakeRouting(const LayerContext& context, const v1::MoeSpec& spec, int64_t tokens);

  // In this order, each once; T may be 0: the rank still takes part in the exchange. Of two
  // micro-batches Begin of the second comes after Send of the first, and its Send before SendBack
  // of the first. `layer` names what is traced.
  absl::Status Begin(const LayerContext& context, int layer, const MoePass& pass) const;
  absl::Status Send(const MoePass& pass) const { return pass.exchange->Send(); }
  absl::Status Compute(const LayerContext& context, const MoePass& pass) const;
  absl::Status SendBack(const MoePass& pass) const { return pass.exchange->BeginCombine(); }
  absl::Status Finish(const LayerContext& context, const MoePass& pass) const;

 private:
  void Route(const LayerContext& context, int layer, const kernels::TensorView& x,
             const Routing& routing) const;
  bool has_shared() const { return spec_.num_shared_experts() > 0; }
  // Whether the shared expert computes by itself, while rows travel.
  bool IsApart(const MoePass& pass) const { return pass.exchange->overlaps() && has_shared(); }
  void ComputeShared(const LayerContext& context, const kernels::TensorView& x,
                     const kernels::TensorView& y) const;
  struct MlpPart {
    std::string prefix;
    int64_t hidden_size;
    int64_t width;
    bool one_rank;  // see MatrixSlice
    bool bias;      // each weight has one
    kernels::Gating gating;
  };
  void LoadMlp(WeightLoader& loader, const ExpertNames& names, const MlpPart& part,
               kernels::MlpWeights* mlp);

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
