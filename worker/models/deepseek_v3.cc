#include "worker/models/deepseek_v3.h"

#include <algorithm>

#include "base/units.h"

namespace switchyard::worker {

using kernels::DType;
using kernels::TensorView;

DeepseekV3::DeepseekV3(const v1::ShardPlan& plan, const ParallelContext& parallel,
                       kernels::Device& device)
    : model_(plan.model()),
      drafts_(plan.drafts().method() == v1::DRAFT_METHOD_MTP),
      quantises_(plan.compute() == v1::COMPUTE_MODE_W8A8),
      parallel_(parallel),
      rope_(device, model_.rope(), model_.mla().qk_rope_head_dim(),
            model_.max_position_embeddings()) {}

void DeepseekV3::Load(WeightLoader& loader, const LayerContext& context) {
  const int64_t vocab = model_.vocab_size();
  const int64_t hidden = model_.hidden_size();
  embedding_.Load(loader, context, "model.embed_tokens.weight", vocab, hidden);
  blocks_.resize(model_.num_layers());
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    LoadBlock(loader, context, layer, &blocks_[layer]);
  }
  loader.Vector("model.norm.weight", hidden, &final_norm_);
  head_.Load(loader, context,
             model_.tie_word_embeddings() ? "model.embed_tokens.weight" : "lm_head.weight", vocab,
             hidden);
  if (model_.num_mtp_layers() > 0) LoadMtp(loader, context);
}

void DeepseekV3::LoadBlock(WeightLoader& loader, const LayerContext& context, int layer,
                           Block* block) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const int64_t hidden = model_.hidden_size();
  loader.Vector(prefix + "input_layernorm.weight", hidden, &block->input_norm);
  block->attention.Load(loader, context, prefix + "self_attn.", model_, &rope_);
  loader.Vector(prefix + "post_attention_layernorm.weight", hidden, &block->post_attention_norm);
  if (model_.has_moe() && layer >= model_.moe().first_moe_layer()) {
    block->moe = std::make_unique<MoeBlock>();
    block->moe->Load(loader, context, prefix + "mlp.", model_);
  } else {
    block->mlp = std::make_unique<DenseMlp>();
    block->mlp->Load(loader, context, prefix + "mlp.", hidden, model_.intermediate_size());
  }
}

void DeepseekV3::LoadMtp(WeightLoader& loader, const LayerContext& context) {
  const std::string prefix = fmt::format("model.layers.{}.", model_.num_layers());
  const int64_t vocab = model_.vocab_size();
  const int64_t hidden = model_.hidden_size();
  mtp_ = std::make_unique<MtpBlock>();
  mtp_->embedding.Load(loader, context, prefix + "embed_tokens.weight", vocab, hidden);
  loader.Vector(prefix + "enorm.weight", hidden, &mtp_->embedding_norm);
  loader.Vector(prefix + "hnorm.weight", hidden, &mtp_->hidden_norm);
  loader.Linear({.tensor = prefix + "eh_proj.weight", .rows = hidden, .cols = 2 * hidden},
                &mtp_->projection);
  LoadBlock(loader, context, model_.num_layers(), &mtp_->block);
  loader.Vector(prefix + "shared_head.norm.weight", hidden, &mtp_->head_norm);
  mtp_->head.Load(loader, context,
                  model_.tie_word_embeddings() ? prefix + "embed_tokens.weight"
                                               : prefix + "shared_head.head.weight",
                  vocab, hidden);
}

DeepseekV3::Stream DeepseekV3::TakeStream(const LayerContext& context,
                                          const TensorView& normed) const {
  return {.h = context.Take({normed.rows(), normed.RowElements()}),
          .delta = context.Take({normed.rows(), normed.RowElements()}),
          .normed = normed};
}

NormedRows DeepseekV3::Norm(const LayerContext& context, const Stream& stream,
                            const DeviceTensor& weight, bool add_delta,
                            const InputForms& forms) const {
  NormedRows normed;
  if (forms.rows) normed.rows = stream.normed;
  if (stream.h.rows() == 0) return normed;
  if (forms.quantised) {
    normed.quantised = context.TakeQuantised(stream.h.rows(), model_.hidden_size());
  }
  context.ops.RmsNorm({.x = stream.h,
                       .delta = add_delta ? stream.delta : TensorView(),
                       .weight = weight.view,
                       .eps = static_cast<float>(model_.rms_norm_eps()),
                       .y = normed.rows,
                       .quantised = normed.quantised,
                       .ue8m0_scales = context.ue8m0_scales});
  return normed;
}

absl::Status DeepseekV3::ForwardBlock(const LayerContext& context, const ForwardBatch& batch,
                                      int layer, const Block& block, KvStore& kv,
                                      const Stream& stream, bool first,
                                      std::span<uint32_t> expert_rows) const {
  const bool empty =
      stream.h.rows() == 0;  // all ranks of a group agree, so its collectives may be left out
  {
    ActivationArena::Scope scope(context.arena);
    const NormedRows x = Norm(context, stream, block.input_norm, /*add_delta=*/!first,
                              block.attention.input_forms());
    context.Record("hidden", layer, stream.h);
    if (!empty) {
      SY_RETURN_IF_ERROR(
          block.attention.Forward(context, batch, layer, x, kv.layer(layer), stream.delta));
      context.Record("attn", layer, stream.delta);
    }
  }
  if (block.moe != nullptr) {
    Norm(context, stream, block.post_attention_norm, /*add_delta=*/true);
    return block.moe->Forward(context, layer, stream.normed, stream.delta, expert_rows);
  }
  ActivationArena::Scope scope(context.arena);
  const NormedRows x = Norm(context, stream, block.post_attention_norm, /*add_delta=*/true,
                            block.mlp->input_forms());
  return empty ? absl::OkStatus() : block.mlp->Forward(context, x, stream.delta);
}

absl::Status DeepseekV3::Forward(const LayerContext& context, const ForwardBatch& batch,
                                 KvStore& kv, const TensorView& hidden, const TensorView& logits,
                                 std::span<uint32_t> expert_rows) {
  ActivationArena::Scope scope(context.arena);
  const Stream stream = TakeStream(context, hidden);
  if (batch.num_rows() > 0) {
    SY_RETURN_IF_ERROR(embedding_.Forward(context, batch.token_ids, stream.h));
  }
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    SY_RETURN_IF_ERROR(ForwardBlock(context, batch, layer, blocks_[layer], kv, stream,
                                    /*first=*/layer == 0, expert_rows));
  }
  Norm(context, stream, final_norm_, /*add_delta=*/true);
  context.Record("hidden", model_.num_layers(), stream.h);
  context.Record("final_norm", -1, stream.normed);
  Project(context, batch, head_, stream.normed,
          context.Take({std::ssize(batch.output_rows), model_.hidden_size()}), logits);
  return absl::OkStatus();
}

void DeepseekV3::Project(const LayerContext& context, const ForwardBatch& batch, const LmHead& head,
                         const TensorView& normed, const TensorView& rows,
                         const TensorView& logits) const {
  if (batch.output_rows.empty()) return;
  context.ops.GatherRows({.x = normed, .rows = batch.output_rows, .y = rows});
  head.Forward(context, rows, logits);
}

// Each row's token beside the state before it: the block's input.
absl::Status DeepseekV3::JoinTokens(const LayerContext& context, const ForwardBatch& batch,
                                    const TensorView& hidden, const Stream& stream) const {
  if (batch.num_rows() == 0) return absl::OkStatus();
  ActivationArena::Scope scope(context.arena);
  const int64_t width = model_.hidden_size();
  const float eps = static_cast<float>(model_.rms_norm_eps());
  const TensorView pair = context.Take({batch.num_rows(), 2 * width});
  SY_RETURN_IF_ERROR(mtp_->embedding.Forward(context, batch.token_ids, stream.delta));
  context.ops.RmsNorm({.x = stream.delta,
                       .weight = mtp_->embedding_norm.view,
                       .eps = eps,
                       .y = pair.Cols(0, width)});
  context.ops.RmsNorm(
      {.x = hidden, .weight = mtp_->hidden_norm.view, .eps = eps, .y = pair.Cols(width, width)});
  ApplyLinear(context, *mtp_->projection, pair, stream.h);
  return absl::OkStatus();
}

absl::Status DeepseekV3::ForwardMtp(const LayerContext& context, const ForwardBatch& batch,
                                    KvStore& kv, const TensorView& hidden,
                                    const TensorView& next_hidden, const TensorView& logits,
                                    std::span<uint32_t> expert_rows) {
  ActivationArena::Scope scope(context.arena);
  const Stream stream = TakeStream(context, context.Take({batch.num_rows(), model_.hidden_size()}));
  SY_RETURN_IF_ERROR(JoinTokens(context, batch, hidden, stream));
  context.Record("mtp.input", -1, stream.h);
  SY_RETURN_IF_ERROR(ForwardBlock(context, batch, model_.num_layers(), mtp_->block, kv, stream,
                                  /*first=*/true, expert_rows));
  Norm(context, stream, mtp_->head_norm, /*add_delta=*/true);
  context.Record("mtp.hidden", -1, stream.h);
  context.Record("mtp.norm", -1, stream.normed);
  Project(context, batch, mtp_->head, stream.normed, next_hidden, logits);
  return absl::OkStatus();
}

int64_t DeepseekV3::ArenaBytes(const v1::StepLimits& limits, int64_t max_output_rows) const {
  const v1::MlaSpec& mla = model_.mla();
  const int64_t tokens = limits.max_batched_tokens();
  const int64_t ranks = parallel_.tensor_parallel();
  const int64_t heads = model_.num_heads() / ranks;
  const int64_t head_dim = mla.qk_nope_head_dim() + mla.qk_rope_head_dim();
  const int64_t hidden = model_.hidden_size();
  const int64_t latent_row = mla.kv_lora_rank() + mla.qk_rope_head_dim();
  const int64_t key_value_row = heads * (mla.qk_nope_head_dim() + mla.v_head_dim());
  // Floats of the widest moment of each part; parts that never stand together count once, by their
  // maximum.
  // Drafting: the states of the rows that are followed up, and each beside its token.
  const int64_t stream =
      drafts_ ? (7 * tokens + 2 * limits.max_running()) * hidden : 3 * tokens * hidden;
  const auto reduce_scratch = [&](int64_t n) {
    return Collectives::MaxReduceScratchSize(static_cast<int>(ranks), n);
  };
  // W8A8 may gather the largest values of quantisation groups before a row-parallel sum.
  const int64_t amax =
      tokens * RowParallelLinear::NumAmaxGroups(std::max<int64_t>(
                   model_.intermediate_size(), model_.num_heads() * mla.v_head_dim()));
  const int64_t sum_scratch =
      ranks > 1 ? reduce_scratch(tokens * hidden) + amax + reduce_scratch(amax) : 0;
  const int64_t prefill = kernels::kPrefillTileTokens * (latent_row + key_value_row) +
                          tokens * heads * (mla.v_head_dim() + 2);
  const int64_t decode = 2 * tokens * heads * mla.kv_lora_rank();
  // Norms write rows for quantised products beside the others.
  const auto quantised = [&](int64_t columns) {
    return quantises_ ? kernels::QuantisedRows::MostFloats(tokens, columns) : 0;
  };
  const int64_t query_latents = tokens * mla.q_lora_rank() + quantised(mla.q_lora_rank());
  const int64_t projections =
      std::max<int64_t>(query_latents, tokens * (latent_row + mla.kv_lora_rank()));
  const int64_t attention =
      tokens * heads * (head_dim + mla.v_head_dim()) + std::max({prefill, decode, projections});
  const int64_t dense = tokens * (model_.intermediate_size() / ranks);
  const int64_t router =
      model_.has_moe()
          ? tokens * (model_.moe().num_routed_experts() + 2 * model_.moe().experts_per_token())
          : 0;
  const int64_t output = max_output_rows * 2 * hidden;
  const int64_t widest = std::max({attention, dense, router, output}) + sum_scratch;
  constexpr int64_t kRoundingSlack = 64 * kKiB;  // every Take rounds up to a cache line
  return (stream + quantised(hidden) + widest) * int64_t{sizeof(float)} + kRoundingSlack;
}

}  // namespace switchyard::worker
