#include "worker/weights/decoder_tensors.h"

#include <utility>

#include "base/units.h"
#include "worker/weights/block_fp8.h"
#include "worker/weights/expert_names.h"
#include "worker/weights/mxfp4.h"

namespace switchyard::worker {
namespace {

// Writes the list down, in the order of the forward pass (MODEL_SPECS 1.2 and 5 to 8b).
class TensorLister {
 public:
  explicit TensorLister(const v1::ModelSpec& model)
      : model_(model),
        names_(ExpertNamesOf(model)),
        hidden_(model.hidden_size()),
        layers_(model.tensor_prefix() + "model.layers."),
        embedding_(model.tensor_prefix() + "model.embed_tokens.weight"),
        head_(model.tensor_prefix() + "lm_head.weight") {}

  std::vector<ModelTensor> List() {
    Add(embedding_, {model_.vocab_size(), hidden_}, TensorKind::kEmbedding);
    for (int layer = 0; layer < model_.num_layers(); ++layer) AddBlock(layer);
    AddNorm(model_.tensor_prefix() + "model.norm", hidden_);
    if (!model_.tie_word_embeddings()) {
      Add(head_, {model_.vocab_size(), hidden_}, TensorKind::kPlainLinear);
    }
    for (int i = 0; i < model_.num_mtp_layers(); ++i) AddMtpBlock(model_.num_layers() + i);
    return std::move(tensors_);
  }

 private:
  void Add(std::string name, TensorShape shape, TensorKind kind, std::string_view copy_of = "") {
    tensors_.push_back({std::move(name), std::move(shape), kind, std::string(copy_of)});
  }
  void AddNorm(const std::string& name, int64_t width) {
    Add(name + ".weight", {width},
        model_.unit_offset_norms() ? TensorKind::kOffsetNorm : TensorKind::kNorm);
  }
  void AddLinear(const std::string& name, int64_t out, int64_t in, bool bias = false) {
    Add(name + ".weight", {out, in}, TensorKind::kLinear);
    if (bias) Add(name + ".bias", {out}, TensorKind::kBias);
  }

  void AddBlock(int layer) {
    const std::string prefix = fmt::format("{}{}.", layers_, layer);
    AddNorm(prefix + "input_layernorm", hidden_);
    if (model_.has_gqa()) {
      AddGqa(prefix + "self_attn.");
    } else {
      AddMla(prefix + "self_attn.");
    }
    AddNorm(prefix + "post_attention_layernorm", hidden_);
    if (model_.output_norms()) {
      AddNorm(prefix + "pre_feedforward_layernorm", hidden_);
      AddNorm(prefix + "post_feedforward_layernorm", hidden_);
    }
    if (model_.has_moe() && layer >= model_.moe().first_moe_layer()) {
      AddMoe(prefix + std::string(names_.block));
    } else {
      AddMlp(prefix + "mlp.", model_.intermediate_size(), {}, model_.mlp_bias());
    }
  }

  void AddGqa(const std::string& prefix) {
    const v1::GqaSpec& gqa = model_.gqa();
    const int64_t query_width = int64_t{model_.num_heads()} * gqa.head_dim();
    const int64_t kv_width = int64_t{gqa.num_kv_heads()} * gqa.head_dim();
    AddLinear(prefix + "q_proj", query_width, hidden_, gqa.qkv_bias());
    AddLinear(prefix + "k_proj", kv_width, hidden_, gqa.qkv_bias());
    AddLinear(prefix + "v_proj", kv_width, hidden_, gqa.qkv_bias());
    AddLinear(prefix + "o_proj", hidden_, query_width, gqa.output_bias());
    if (gqa.sinks()) Add(prefix + "sinks", {model_.num_heads()}, TensorKind::kBias);
    if (!gqa.qk_norm()) return;
    AddNorm(prefix + "q_norm", gqa.head_dim());
    AddNorm(prefix + "k_norm", gqa.head_dim());
  }

  void AddMla(const std::string& prefix) {
    const v1::MlaSpec& mla = model_.mla();
    const int64_t heads = model_.num_heads();
    const int64_t query_width = heads * (mla.qk_nope_head_dim() + mla.qk_rope_head_dim());
    const bool bias = mla.attention_bias();
    if (mla.q_lora_rank() > 0) {
      AddLinear(prefix + "q_a_proj", mla.q_lora_rank(), hidden_, bias);
      AddNorm(prefix + "q_a_layernorm", mla.q_lora_rank());
      AddLinear(prefix + "q_b_proj", query_width, mla.q_lora_rank());
    } else {
      AddLinear(prefix + "q_proj", query_width, hidden_);
    }
    AddLinear(prefix + "kv_a_proj_with_mqa", int64_t{mla.kv_lora_rank()} + mla.qk_rope_head_dim(),
              hidden_, bias);
    AddNorm(prefix + "kv_a_layernorm", mla.kv_lora_rank());
    AddLinear(prefix + "kv_b_proj", heads * (mla.qk_nope_head_dim() + mla.v_head_dim()),
              mla.kv_lora_rank());
    AddLinear(prefix + "o_proj", hidden_, heads * mla.v_head_dim(), bias);
  }

  void AddMlp(const std::string& prefix, int64_t width, const ExpertNames& names = {},
              bool bias = false) {
    AddLinear(prefix + std::string(names.gate), width, hidden_, bias);
    AddLinear(prefix + std::string(names.up), width, hidden_, bias);
    AddLinear(prefix + std::string(names.down), hidden_, width, bias);
  }

  // One projection of all experts.
  void AddFused(const std::string& name, int64_t out, int64_t in) {
    const v1::MoeSpec& moe = model_.moe();
    const int64_t experts = moe.num_routed_experts();
    if (moe.mxfp4()) {
      const int64_t blocks = in / kMxfp4Block;
      Add(name + "_blocks", {experts, out, blocks, kMxfp4BlockBytes}, TensorKind::kBytes);
      Add(name + "_scales", {experts, out, blocks}, TensorKind::kBytes);
    } else {
      Add(name, {experts, in, out}, TensorKind::kTransposed);
    }
    Add(name + "_bias", {experts, out}, TensorKind::kBias);
  }

  void AddMoe(const std::string& prefix) {
    const v1::MoeSpec& moe = model_.moe();
    const int64_t experts = moe.num_routed_experts();
    const std::string router = prefix + std::string(names_.router);
    Add(router + ".weight", {experts, hidden_}, TensorKind::kPlainLinear);
    if (moe.router_bias()) Add(router + ".bias", {experts}, TensorKind::kBias);
    if (moe.fused()) {
      AddFused(prefix + "experts.gate_up_proj", 2 * int64_t{moe.intermediate_size()}, hidden_);
      AddFused(prefix + "experts.down_proj", hidden_, moe.intermediate_size());
      return;
    }
    if (!moe.softmax_scores()) {
      Add(prefix + "gate.e_score_correction_bias", {experts}, TensorKind::kScoreBias);
    }
    for (int64_t expert = 0; expert < experts; ++expert) {
      AddMlp(fmt::format("{}experts.{}.", prefix, expert), moe.intermediate_size(), names_);
    }
    // However many shared experts there are, they are stored as one MLP.
    if (moe.num_shared_experts() > 0) {
      AddMlp(prefix + "shared_experts.",
             int64_t{moe.num_shared_experts()} * moe.intermediate_size());
    }
  }

  void AddMtpBlock(int layer) {
    const std::string prefix = fmt::format("{}{}.", layers_, layer);
    Add(prefix + "embed_tokens.weight", {model_.vocab_size(), hidden_}, TensorKind::kEmbedding,
        embedding_);
    AddNorm(prefix + "enorm", hidden_);
    AddNorm(prefix + "hnorm", hidden_);
    Add(prefix + "eh_proj.weight", {hidden_, 2 * hidden_}, TensorKind::kPlainLinear);
    AddBlock(layer);
    AddNorm(prefix + "shared_head.norm", hidden_);
    if (!model_.tie_word_embeddings()) {
      Add(prefix + "shared_head.head.weight", {model_.vocab_size(), hidden_},
          TensorKind::kPlainLinear, head_);
    }
  }

  const v1::ModelSpec& model_;
  const ExpertNames names_;
  const int64_t hidden_;
  const std::string layers_, embedding_, head_;
  std::vector<ModelTensor> tensors_;
};

}  // namespace

std::vector<ModelTensor> DecoderTensors(const v1::ModelSpec& model) {
  return TensorLister(model).List();
}

std::vector<TensorSpec> StoredAs(const ModelTensor& tensor, bool fp8) {
  if (fp8 && tensor.kind == TensorKind::kLinear) {
    const TensorShape blocks = {CeilDiv(tensor.shape[0], kFp8BlockSize),
                                CeilDiv(tensor.shape[1], kFp8BlockSize)};
    return {{tensor.name, FileDtype::kF8E4m3, tensor.shape},
            {ScaleName(tensor.name), FileDtype::kF32, blocks}};
  }
  FileDtype dtype = FileDtype::kBf16;
  if (tensor.kind == TensorKind::kScoreBias) dtype = FileDtype::kF32;
  if (tensor.kind == TensorKind::kBytes) dtype = FileDtype::kU8;
  return {{tensor.name, dtype, tensor.shape}};
}

}  // namespace switchyard::worker
