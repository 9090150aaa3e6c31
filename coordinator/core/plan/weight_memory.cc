#include "coordinator/core/plan/weight_memory.h"

#include "coordinator/core/plan/topology.h"

namespace switchyard::core {
namespace {

constexpr int64_t kQuantisedGroup = 32;  // columns, see kernels::WeightForm
constexpr int64_t kFloatBytes = 4;       // of vectors, which every backend keeps as f32

// One rank's slices, tensor by tensor as worker/models asks for them.
class PackedWeights {
 public:
  PackedWeights(const v1::ShardPlan& plan, int32_t rank, int64_t num_experts, BackendKind backend)
      : model_(plan.model()),
        backend_(backend),
        compute_(plan.compute()),
        form_(plan.weights()),
        tensor_ranks_(plan.layout().tensor_parallel()),
        tensor_rank_(rank % plan.layout().tensor_parallel()),
        local_shards_(plan.layout().virtual_shards() / plan.layout().tensor_parallel()),
        num_experts_(num_experts) {}

  WeightBytes All() const {
    const int64_t hidden = model_.hidden_size();
    const int64_t mtp = model_.num_mtp_layers() > 0 ? 1 : 0;  // the first is loaded
    const int64_t blocks = model_.num_layers() + mtp;
    const int64_t moe_layers = model_.has_moe() ? blocks - model_.moe().first_moe_layer() : 0;
    const int64_t vocab_rows = SliceEnd(tensor_rank_ + 1) - SliceEnd(tensor_rank_);
    WeightBytes bytes;
    bytes.embedding = (1 + mtp) * vocab_rows * hidden * PlainElementBytes();
    // Tied, too, the head is packed by itself.
    bytes.head = (1 + mtp) * Head(vocab_rows);
    bytes.attention = blocks * (model_.has_gqa() ? GroupedQueryAttention() : LatentAttention());
    bytes.absorbed = model_.has_gqa() ? 0 : blocks * Absorbed();
    const int64_t width = model_.intermediate_size() / tensor_ranks_;
    bytes.dense_mlp = (blocks - moe_layers) *
                      (Linear({.rows = width,
                               .cols = hidden,
                               .row_begin = tensor_rank_ * width,
                               .gate_up = true,
                               .bias = model_.mlp_bias()}) +
                       RowParallel(hidden, model_.intermediate_size(), model_.mlp_bias()));
    if (model_.has_moe()) AddExperts(moe_layers, &bytes);
    bytes.mtp_projection =
        mtp * Packed(Quantised({.rows = hidden, .cols = 2 * hidden, .stored = Plain()}));
    const int64_t head_norms = model_.gqa().qk_norm() ? 2 * model_.gqa().head_dim() : 0;
    const int64_t block_norms = (model_.output_norms() ? 4 : 2) * hidden +
                                model_.mla().q_lora_rank() + model_.mla().kv_lora_rank() +
                                head_norms;
    bytes.norms = (blocks * block_norms + hidden + mtp * 3 * hidden) * kFloatBytes;
    return bytes;
  }

 private:
  v1::DataType Plain() const {
    return model_.dtype() == v1::DATA_TYPE_UNSPECIFIED ? v1::DATA_TYPE_BF16 : model_.dtype();
  }
  int64_t PlainElementBytes() const { return Plain() == v1::DATA_TYPE_F32 ? 4 : 2; }
  int64_t SliceEnd(int64_t ranks) const { return model_.vocab_size() * ranks / tensor_ranks_; }

  int64_t Packed(LinearPart part) const {
    if (part.compute == v1::COMPUTE_MODE_BF16) part.compute = compute_;
    return PackedBytes(backend_, part);
  }
  // A weight that is quantised while it is loaded, if any is.
  LinearPart Quantised(LinearPart part) const {
    if (form_ == v1::WEIGHT_FORM_STORED) return part;
    part.bits = form_ == v1::WEIGHT_FORM_Q4 ? 4 : 8;
    part.group_columns = kQuantisedGroup;
    return part;
  }
  int64_t Head(int64_t vocab_rows) const {
    LinearPart part =
        Quantised({.rows = vocab_rows, .cols = model_.hidden_size(), .stored = Plain()});
    if (part.bits > 0) part.bits = 8;
    return Packed(part);
  }
  // A weight that a checkpoint may quantise. GPUs keep 4-bit weights; CPUs widen them, or keep
  // their groups.
  int64_t Linear(LinearPart part) const {
    if (!model_.has_groups()) {
      part.stored = model_.has_fp8() ? v1::DATA_TYPE_F8_E4M3 : Plain();
      if (model_.has_fp8()) part.scale_rows = model_.fp8().block_rows();
      return Packed(Quantised(part));
    }
    part.stored = v1::DATA_TYPE_F32;
    if (form_ == v1::WEIGHT_FORM_Q4 || backend_ == BackendKind::kCuda) {
      part.bits = 4;
      part.group_columns = model_.groups().columns();
      part.zeros = true;
    }
    return Packed(part);
  }
  // This rank's columns of a weight [rows, cols] whose sum the ranks of the group share.
  int64_t RowParallel(int64_t rows, int64_t cols, bool bias) const {
    const int64_t columns = cols / tensor_ranks_;
    return Linear({.rows = rows,
                   .cols = columns,
                   .col_begin = columns * tensor_rank_,
                   .k_shards = local_shards_}) +
           (bias ? rows * kFloatBytes : 0);
  }

  int64_t LatentAttention() const {
    const v1::MlaSpec& mla = model_.mla();
    const int64_t hidden = model_.hidden_size(), latent = mla.kv_lora_rank();
    const int64_t heads = model_.num_heads() / tensor_ranks_;
    const int64_t head_begin = heads * tensor_rank_;
    const int64_t query_dim = int64_t{mla.qk_nope_head_dim()} + mla.qk_rope_head_dim();
    const int64_t kv_dim = int64_t{mla.qk_nope_head_dim()} + mla.v_head_dim();
    const int64_t q_latent = mla.q_lora_rank();
    const bool bias = mla.attention_bias();
    int64_t bytes = Linear({.rows = heads * query_dim,
                            .cols = q_latent > 0 ? q_latent : hidden,
                            .row_begin = head_begin * query_dim});
    if (q_latent > 0) bytes += Linear({.rows = q_latent, .cols = hidden, .bias = bias});
    // What is cached is computed in FP32.
    bytes += Linear({.rows = latent + mla.qk_rope_head_dim(),
                     .cols = hidden,
                     .compute = compute_ == v1::COMPUTE_MODE_BF16 ? v1::COMPUTE_MODE_F32 : compute_,
                     .bias = bias});
    bytes += Linear({.rows = heads * kv_dim, .cols = latent, .row_begin = head_begin * kv_dim});
    return bytes + RowParallel(hidden, int64_t{model_.num_heads()} * mla.v_head_dim(), bias);
  }

  int64_t GroupedQueryAttention() const {
    const v1::GqaSpec& gqa = model_.gqa();
    const int64_t hidden = model_.hidden_size(), dim = gqa.head_dim();
    const int64_t heads = model_.num_heads() / tensor_ranks_;
    const int64_t kv_heads = RankKvHeads(model_, static_cast<int32_t>(tensor_ranks_));
    const int64_t first_kv_head = tensor_rank_ * gqa.num_kv_heads() / tensor_ranks_;
    const auto part = [&](int64_t count, int64_t first) {
      return Linear(
          {.rows = count * dim, .cols = hidden, .row_begin = first * dim, .bias = gqa.qkv_bias()});
    };
    return part(heads, heads * tensor_rank_) + 2 * part(kv_heads, first_kv_head) +
           RowParallel(hidden, int64_t{model_.num_heads()} * dim, gqa.output_bias()) +
           (gqa.sinks() ? model_.num_heads() * kFloatBytes : 0);
  }

  // kv_b_proj once more, dequantised, per head.
  int64_t Absorbed() const {
    const v1::MlaSpec& mla = model_.mla();
    const int64_t latent = mla.kv_lora_rank();
    const auto packed = [&](int64_t rows, int64_t cols) {
      return Packed({.rows = rows, .cols = cols, .stored = v1::DATA_TYPE_F32});
    };
    return model_.num_heads() / tensor_ranks_ *
           (packed(latent, mla.qk_nope_head_dim()) + packed(mla.v_head_dim(), latent));
  }

  int64_t ExpertMlp(int64_t width, bool routed) const {
    const int64_t hidden = model_.hidden_size();
    const v1::MoeSpec& moe = model_.moe();
    const auto packed = [&](LinearPart part) {
      part.bias = moe.expert_bias();
      if (!routed || !moe.fused()) return Linear(part);
      // These are packed as they are stored, whatever others are quantised to.
      part.stored = Plain();
      part.mxfp4 = moe.mxfp4();
      return Packed(part);
    };
    return packed({.rows = width, .cols = hidden, .gate_up = true}) +
           packed({.rows = hidden, .cols = width});
  }

  void AddExperts(int64_t moe_layers, WeightBytes* bytes) const {
    const v1::MoeSpec& moe = model_.moe();
    const int64_t experts = moe.num_routed_experts();
    bytes->gate = moe_layers * (Packed({.rows = experts,
                                        .cols = model_.hidden_size(),
                                        .stored = v1::DATA_TYPE_F32,
                                        .compute = v1::COMPUTE_MODE_F32,
                                        .bias = moe.router_bias()}) +
                                (moe.softmax_scores() ? 0 : experts * kFloatBytes));
    if (moe.num_shared_experts() > 0) {
      bytes->shared_experts =
          moe_layers *
          ExpertMlp(int64_t{moe.num_shared_experts()} * moe.intermediate_size(), /*routed=*/false);
    }
    bytes->routed_experts =
        moe_layers * num_experts_ * ExpertMlp(moe.intermediate_size(), /*routed=*/true);
  }

  const v1::ModelSpec& model_;
  const BackendKind backend_;
  const v1::ComputeMode compute_;
  const v1::WeightForm form_;
  const int64_t tensor_ranks_, tensor_rank_, local_shards_, num_experts_;
};

}  // namespace

WeightBytes PackedWeightBytes(const v1::ShardPlan& plan, int32_t rank, int64_t num_experts,
                              BackendKind backend) {
  return PackedWeights(plan, rank, num_experts, backend).All();
}

}  // namespace switchyard::core
