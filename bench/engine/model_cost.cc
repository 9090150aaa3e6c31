#include "bench/engine/model_cost.h"

#include "coordinator/core/plan/model_memory.h"

namespace switchyard::bench {
namespace {

double NumHeadWeights(const v1::ModelSpec& model, int64_t per_head) {
  return double(model.num_heads()) * double(per_head);
}

// Elements of one layer's kv_b_proj, which the absorbed form does not read.
double KvUpElements(const v1::ModelSpec& model) {
  const v1::MlaSpec& mla = model.mla();
  return NumHeadWeights(model, mla.qk_nope_head_dim() + mla.v_head_dim()) * mla.kv_lora_rank();
}

int64_t NumMoeLayers(const v1::ModelSpec& model) {
  return model.has_moe() ? model.num_layers() - model.moe().first_moe_layer() : 0;
}

}  // namespace

double DecodeWeightBytes(const v1::ShardPlan& plan, int64_t active_experts) {
  v1::ShardPlan without_mtp = plan;
  without_mtp.mutable_model()->set_num_mtp_layers(0);
  const v1::ModelSpec& model = without_mtp.model();
  const int32_t tensor_ranks = plan.layout().tensor_parallel();
  const int32_t world = plan.layout().data_parallel() * tensor_ranks;
  const double kv_up_bytes = KvUpElements(model) * (model.has_fp8() ? 1 : 2) / tensor_ranks;
  double bytes = 0;
  double routed_bytes = 0;
  for (int32_t rank = 0; rank < world; ++rank) {
    const core::WeightBytes held = core::RankWeightBytes(without_mtp, rank);
    bytes += double(held.Total() - held.routed_experts);
    bytes -= model.num_layers() * kv_up_bytes;
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
