#include "coordinator/core/plan/model_memory.h"

#include <algorithm>

#include "base/check.h"
#include "base/gguf.h"
#include "base/units.h"
#include "coordinator/core/plan/topology.h"

namespace switchyard::core {
namespace {

constexpr int64_t kScaleBytes = 4;
constexpr int64_t kMxfp4Values = 32;      // of a block
constexpr int64_t kMxfp4BlockBytes = 17;  // with its scale

int64_t DtypeBytes(const v1::ModelSpec& model) {
  return model.dtype() == v1::DATA_TYPE_F32 ? 4 : 2;
}

bool DraftsByMtp(const v1::ShardPlan& plan) {
  return plan.drafts().method() == v1::DRAFT_METHOD_MTP;
}

int64_t CachedLayers(const v1::ShardPlan& plan) {
  return plan.model().num_layers() + (DraftsByMtp(plan) ? 1 : 0);
}

// 4-bit codes, and for each group of columns a 2-byte scale and a 4-bit zero point.
int64_t Int4Bytes(const v1::GroupQuantization& groups, int64_t rows, int64_t cols) {
  const int64_t num_groups = groups.columns() == 0 ? 1 : CeilDiv(cols, int64_t{groups.columns()});
  return rows * cols / 2 + rows * num_groups * 2 + rows * num_groups / 2;
}

// A linear [rows, cols] as stored.
int64_t LinearBytes(const v1::ModelSpec& model, int64_t rows, int64_t cols) {
  if (model.has_groups()) return Int4Bytes(model.groups(), rows, cols);
  if (const GgufType* const type = FindGgufType(model.gguf_type()); type != nullptr) {
    return rows * cols * type->block_bytes / type->block_elements;
  }
  if (!model.has_fp8()) return rows * cols * DtypeBytes(model);
  const auto blocks = [](int64_t all, int64_t of_block) {
    return of_block == 0 ? 1 : CeilDiv(all, of_block);
  };
  return rows * cols + blocks(rows, model.fp8().block_rows()) *
                           blocks(cols, model.fp8().block_cols()) * kScaleBytes;
}

// gate_proj, up_proj and down_proj of one MLP.
int64_t MlpBytes(const v1::ModelSpec& model, int64_t width) {
  return 2 * LinearBytes(model, width, model.hidden_size()) +
         LinearBytes(model, model.hidden_size(), width);
}

// One routed expert.
int64_t ExpertBytes(const v1::ModelSpec& model) {
  const v1::MoeSpec& moe = model.moe();
  const int64_t hidden = model.hidden_size(), width = moe.intermediate_size();
  const int64_t biases = moe.expert_bias() ? (2 * width + hidden) * DtypeBytes(model) : 0;
  if (!moe.mxfp4()) return MlpBytes(model, width) + biases;
  return 3 * hidden * width / kMxfp4Values * kMxfp4BlockBytes + biases;
}

int64_t AttentionBytes(const v1::ModelSpec& model, int64_t heads) {
  const v1::MlaSpec& mla = model.mla();
  const int64_t hidden = model.hidden_size();
  const int64_t latent_width = int64_t{mla.kv_lora_rank()} + mla.qk_rope_head_dim();
  const int64_t query_width = heads * (int64_t{mla.qk_nope_head_dim()} + mla.qk_rope_head_dim());
  const int64_t kv_width = heads * (int64_t{mla.qk_nope_head_dim()} + mla.v_head_dim());
  int64_t bytes = LinearBytes(model, latent_width, hidden) +
                  LinearBytes(model, kv_width, mla.kv_lora_rank()) +
                  LinearBytes(model, hidden, heads * mla.v_head_dim());
  if (mla.q_lora_rank() > 0) {
    bytes += LinearBytes(model, mla.q_lora_rank(), hidden) +
             LinearBytes(model, query_width, mla.q_lora_rank());
  } else {
    bytes += LinearBytes(model, query_width, hidden);
  }
  if (mla.attention_bias())
    bytes += (mla.q_lora_rank() + latent_width + hidden) * DtypeBytes(model);
  return bytes;
}

// Query heads with their keys and values. REQUIRES: a model that has them.
int64_t GqaBytes(const v1::ModelSpec& model, int64_t heads, int64_t kv_heads) {
  const v1::GqaSpec& gqa = model.gqa();
  const int64_t dim = gqa.head_dim();
  const int64_t hidden = model.hidden_size();
  const int64_t biases =
      (gqa.qkv_bias() ? (heads + 2 * kv_heads) * dim : 0) + (gqa.output_bias() ? hidden : 0);
  return LinearBytes(model, heads * dim, hidden) + 2 * LinearBytes(model, kv_heads * dim, hidden) +
         LinearBytes(model, hidden, heads * dim) +
         (biases + (gqa.sinks() ? heads : 0)) * DtypeBytes(model);
}

// What one copy of the weights, or one rank's part of them, consists of.
struct Share {
  int64_t vocab_rows = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // 0 with latent attention
  int64_t dense_width = 0;
  int64_t routed_experts = 0;
};

WeightBytes BytesOf(const v1::ModelSpec& model, const Share& share) {
  const int64_t hidden = model.hidden_size();
  const int64_t element = DtypeBytes(model);
  const int64_t blocks = int64_t{model.num_layers()} + model.num_mtp_layers();
  const int64_t moe_layers = model.has_moe() ? blocks - model.moe().first_moe_layer() : 0;
  const v1::MlaSpec& mla = model.mla();
  WeightBytes bytes;
  bytes.embedding = (1 + model.num_mtp_layers()) * share.vocab_rows * hidden * element;
  bytes.head = model.tie_word_embeddings() ? 0 : bytes.embedding;
  bytes.attention = blocks * (model.has_gqa() ? GqaBytes(model, share.heads, share.kv_heads)
                                              : AttentionBytes(model, share.heads));
  const int64_t mlp_biases = model.mlp_bias() ? (2 * share.dense_width + hidden) * element : 0;
  bytes.dense_mlp = (blocks - moe_layers) * (MlpBytes(model, share.dense_width) + mlp_biases);
  if (model.has_moe()) {
    const v1::MoeSpec& moe = model.moe();
    const int64_t bias_bytes = (moe.softmax_scores() ? 0 : 4) + (moe.router_bias() ? element : 0);
    bytes.gate = moe_layers * moe.num_routed_experts() * (hidden * element + bias_bytes);
    if (moe.num_shared_experts() > 0) {
      bytes.shared_experts =
          moe_layers * MlpBytes(model, int64_t{moe.num_shared_experts()} * moe.intermediate_size());
    }
    bytes.routed_experts = moe_layers * share.routed_experts * ExpertBytes(model);
  }
  bytes.mtp_projection = model.num_mtp_layers() * hidden * 2 * hidden * element;
  const int64_t head_norms = model.gqa().qk_norm() ? 2 * model.gqa().head_dim() : 0;
  const int64_t block_norms =
      (model.output_norms() ? 4 : 2) * hidden + mla.q_lora_rank() + mla.kv_lora_rank() + head_norms;
  bytes.norms = (blocks * block_norms + hidden + model.num_mtp_layers() * 3 * hidden) * element;
  return bytes;
}

int64_t LocalExperts(const v1::ShardPlan& plan, int32_t rank) {
  const auto& ranks = plan.placement().rank_of_expert();
  return std::count(ranks.begin(), ranks.end(), rank);
}

}  // namespace

int64_t WeightBytes::Total() const {
  return embedding + head + attention + absorbed + dense_mlp + gate + shared_experts +
         routed_experts + mtp_projection + norms;
}

WeightBytes CheckpointBytes(const v1::ModelSpec& model) {
  return BytesOf(model, {.vocab_rows = model.vocab_size(),
                         .heads = model.num_heads(),
                         .kv_heads = model.gqa().num_kv_heads(),
                         .dense_width = model.intermediate_size(),
                         .routed_experts = model.has_moe() ? model.moe().num_routed_experts() : 0});
}

int64_t NumParameters(v1::ModelSpec model) {
  model.clear_fp8();
  model.clear_gguf_type();
  if (model.has_moe()) model.mutable_moe()->set_mxfp4(false);
  model.set_num_mtp_layers(0);
  model.set_dtype(v1::DATA_TYPE_BF16);
  int64_t biases = 0;  // of gates, which are F32
  if (model.has_moe() && !model.moe().softmax_scores()) {
    const v1::MoeSpec& moe = model.moe();
    biases = (int64_t{model.num_layers()} - moe.first_moe_layer()) * moe.num_routed_experts();
  }
  return (CheckpointBytes(model).Total() - 4 * biases) / 2 + biases;
}

WeightBytes RankWeightBytes(const v1::ShardPlan& plan, int32_t rank) {
  SY_CHECK(rank >= 0 && rank < World(plan.layout())) << rank;
  v1::ModelSpec model = plan.model();
  if (model.has_moe()) model.mutable_moe()->set_mxfp4(false);  // widened
  const int64_t tp = plan.layout().tensor_parallel();
  const int64_t heads = model.num_heads() / tp;
  WeightBytes bytes =
      BytesOf(model, {.vocab_rows = CeilDiv(model.vocab_size(), tp),
                      .heads = heads,
                      .kv_heads = RankKvHeads(plan.model(), plan.layout().tensor_parallel()),
                      .dense_width = model.intermediate_size() / tp,
                      .routed_experts = LocalExperts(plan, rank)});
  if (model.tie_word_embeddings()) bytes.head = bytes.embedding;  // packed once more
  const int64_t blocks = int64_t{model.num_layers()} + model.num_mtp_layers();
  const int64_t kv_width =
      heads * (int64_t{model.mla().qk_nope_head_dim()} + model.mla().v_head_dim());
  bytes.absorbed = blocks * kv_width * model.mla().kv_lora_rank() *
                   CacheElementBytes(BackendKind::kCpu, plan.compute());
  return bytes;
}

int64_t KvBytesPerToken(const v1::ShardPlan& plan, BackendKind backend) {
  if (plan.model().has_gqa()) {
    return CachedLayers(plan) * 2 * RankKvHeads(plan.model(), plan.layout().tensor_parallel()) *
           plan.model().gqa().head_dim() * CacheElementBytes(backend, plan.compute());
  }
  const v1::MlaSpec& mla = plan.model().mla();
  const int64_t width = int64_t{mla.kv_lora_rank()} + mla.qk_rope_head_dim();
  return CachedLayers(plan) * width * CacheElementBytes(backend, plan.compute());
}

int64_t ExpandedBytesPerToken(const v1::ShardPlan& plan, BackendKind backend) {
  if (plan.model().has_gqa()) return 0;
  const v1::MlaSpec& mla = plan.model().mla();
  const int64_t heads = plan.model().num_heads() / plan.layout().tensor_parallel();
  const int64_t query = int64_t{mla.qk_nope_head_dim()} + mla.qk_rope_head_dim();
  const int64_t value = mla.v_head_dim();
  if (backend == BackendKind::kCuda) {
    const int64_t width = heads * (mla.qk_nope_head_dim() + value) + mla.qk_rope_head_dim();
    return CachedLayers(plan) * width * ActivationElementBytes(backend);
  }
  // As its products read them: the rotated key with each head, values in whole panels, BF16 in
  // pairs.
  constexpr int64_t kPanelColumns = 64;
  const bool bf16 = plan.compute() == v1::COMPUTE_MODE_BF16;
  const int64_t width = heads * (RoundUp(query, bf16 ? 2 : 1) + RoundUp(value, kPanelColumns));
  return CachedLayers(plan) * width * (bf16 ? 2 : 4);
}

}  // namespace switchyard::core
