#include "worker/models/deepseek_v3.h"

#include <fmt/format.h>

#include <span>
#include <string>

#include "worker/models/block_run.h"

namespace switchyard::worker {

using kernels::TensorView;

DeepseekV3::DeepseekV3(const v1::ShardPlan& plan, const ParallelContext& parallel,
                       kernels::Device& device)
    : Decoder(plan, parallel, device), drafts_(plan.drafts().method() == v1::DRAFT_METHOD_MTP) {}

void DeepseekV3::Load(WeightLoader& loader, const LayerContext& context) {
  Decoder::Load(loader, context);
  if (model().num_mtp_layers() > 0) LoadMtp(loader, context);
}

void DeepseekV3::LoadMtp(WeightLoader& loader, const LayerContext& context) {
  const std::string prefix = fmt::format("model.layers.{}.", model().num_layers());
  const int64_t vocab = model().vocab_size();
  const int64_t hidden = model().hidden_size();
  mtp_ = std::make_unique<MtpBlock>();
  mtp_->embedding.Load(loader, context, prefix + "embed_tokens.weight", vocab, hidden);
  loader.Vector(prefix + "enorm.weight", hidden, &mtp_->embedding_norm);
  loader.Vector(prefix + "hnorm.weight", hidden, &mtp_->hidden_norm);
  loader.Linear({.tensor = prefix + "eh_proj.weight", .rows = hidden, .cols = 2 * hidden},
                &mtp_->projection);
  mtp_->block.Load(loader, context, model(), model().num_layers(), &ropes());
  loader.Vector(prefix + "shared_head.norm.weight", hidden, &mtp_->head_norm);
  mtp_->head.Load(loader, context,
                  model().tie_word_embeddings() ? prefix + "embed_tokens.weight"
                                                : prefix + "shared_head.head.weight",
                  vocab, hidden);
}

// Each row's token beside the state before it: the block's input.
absl::Status DeepseekV3::JoinTokens(const LayerContext& context, const ForwardBatch& batch,
                                    const TensorView& hidden, const Stream& stream) const {
  if (batch.num_rows() == 0) return absl::OkStatus();
  ActivationArena::Scope scope(context.arena);
  const int64_t width = model().hidden_size();
  const float eps = static_cast<float>(model().rms_norm_eps());
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
                                    const TensorView& next_hidden, const TensorView& logits) {
  ActivationArena::Scope scope(context.arena);
  const Stream stream =
      TakeStream(context, context.Take({batch.num_rows(), model().hidden_size()}));
  SY_RETURN_IF_ERROR(JoinTokens(context, batch, hidden, stream));
  context.Record("mtp.input", -1, stream.h);
  SY_RETURN_IF_ERROR(RunBlocks(context, model(), std::span(&mtp_->block, 1), batch, kv, stream));
  NormStream(context, stream, NormBy(mtp_->head_norm));
  context.Record("mtp.hidden", -1, stream.h);
  context.Record("mtp.norm", -1, stream.normed);
  Project(context, batch, mtp_->head, stream.normed, next_hidden, logits);
  return absl::OkStatus();
}

absl::Status DeepseekV3::CacheMtp(const LayerContext& context, const ForwardBatch& batch,
                                  KvStore& kv, const TensorView& hidden) {
  if (batch.num_rows() == 0) return absl::OkStatus();
  ActivationArena::Scope scope(context.arena);
  const Stream stream =
      TakeStream(context, context.Take({batch.num_rows(), model().hidden_size()}));
  SY_RETURN_IF_ERROR(JoinTokens(context, batch, hidden, stream));
  mtp_->block.WriteCache(context, batch, kv, stream);
  return absl::OkStatus();
}

// Drafting: the states of the rows that are followed up, and each beside its token.
int64_t DeepseekV3::StreamRows(const v1::StepLimits& limits) const {
  if (!drafts_) return Decoder::StreamRows(limits);
  return 7 * int64_t{limits.max_batched_tokens()} + 2 * int64_t{limits.max_running()};
}

}  // namespace switchyard::worker
