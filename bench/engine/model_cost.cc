#include "bench/engine/model_cost.h"

#include <algorithm>

#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/packed_linear.h"
#include "coordinator/core/plan/weight_memory.h"

namespace switchyard::bench {
namespace {

double NumHeadWeights(const v1::ModelSpec& model, int64_t per_head) {
  return double(model.num_heads()) * double(per_head);
}

// One layer's kv_b_proj of a rank, which the absorbed form does not read.
int64_t KvUpBytes(const v1::ShardPlan& plan) {
  const v1::ModelSpec& model = plan.model();
  const v1::MlaSpec& mla = model.mla();
  if (mla.kv_lora_rank() == 0) return 0;
  const int64_t heads = model.num_heads() / plan.layout().tensor_parallel();
  core::LinearPart part{
      .rows = heads * (int64_t{mla.qk_nope_head_dim()} + mla.v_head_dim()),
      .cols = mla.kv_lora_rank(),
      .stored = model.has_fp8() ? v1::DATA_TYPE_F8_E4M3 : model.dtype(),
      .compute = plan.compute(),
  };
  if (plan.weights() != v1::WEIGHT_FORM_STORED) {
    part.bits = plan.weights() == v1::WEIGHT_FORM_Q4 ? 4 : 8;
    part.group_columns = 32;
  }
  return core::PackedBytes(core::BackendKind::kCpu, part);
}

int64_t NumMoeLayers(const v1::ModelSpec& model) {
  return model.has_moe() ? model.num_layers() - model.moe().first_moe_layer() : 0;
}

}  // namespace

double DecodeWeightBytes(const v1::ShardPlan& plan, int64_t active_experts) {
  v1::ShardPlan without_mtp = plan;
  without_mtp.mutable_model()->set_num_mtp_layers(0);
  const v1::ModelSpec& model = without_mtp.model();
  const int32_t world = plan.layout().data_parallel() * plan.layout().tensor_parallel();
  double bytes = 0;
  double routed_bytes = 0;
  for (int32_t rank = 0; rank < world; ++rank) {
    const int64_t experts = std::ranges::count(plan.placement().rank_of_expert(), rank);
    const core::WeightBytes held =
        core::PackedWeightBytes(without_mtp, rank, experts, core::BackendKind::kCpu);
    bytes += double(held.Total() - held.routed_experts);
    bytes -= double(model.num_layers() * KvUpBytes(plan));
    bytes -= double(held.embedding);  // a row per token is read
    routed_bytes += double(held.routed_experts);
  }
  if (model.has_moe()) {
    bytes += routed_bytes * double(active_experts) /
             double(NumMoeLayers(model) * model.moe().num_routed_experts());
  }
  return bytes;
}

double PrefillFlops(const v1::ModelSpec& model, int64_t num_tokens) {
  v1::ModelSpec plain = model;
  plain.clear_fp8();
  plain.clear_groups();
  plain.clear_gguf_type();
  if (plain.has_moe()) plain.mutable_moe()->set_mxfp4(false);
  plain.set_dtype(v1::DATA_TYPE_BF16);
  plain.set_num_mtp_layers(0);
  const core::WeightBytes bytes = core::CheckpointBytes(plain);
  double active_bytes =
      double(bytes.attention + bytes.dense_mlp + bytes.gate + bytes.shared_experts);
  if (model.has_moe()) {
    active_bytes += double(bytes.routed_experts) * model.moe().experts_per_token() /
                    model.moe().num_routed_experts();
  }
  const double weights_per_token = active_bytes / 2;  // two bytes each
  const double head = double(model.vocab_size()) * model.hidden_size();
  const v1::MlaSpec& mla = model.mla();
  const int64_t head_dims = int64_t{mla.qk_nope_head_dim()} + mla.qk_rope_head_dim() +
                            mla.v_head_dim() + 2 * model.gqa().head_dim();
  const double pairs = double(num_tokens) * double(num_tokens + 1) / 2;  // of query and key
  const double attention = model.num_layers() * NumHeadWeights(model, head_dims) * pairs;
  return 2 * (weights_per_token * double(num_tokens) + head + attention);
}

}  // namespace switchyard::bench
