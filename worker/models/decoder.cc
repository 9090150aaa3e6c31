#include "worker/models/decoder.h"

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "worker/layers/norm.h"
#include "worker/models/block_run.h"

namespace switchyard::worker {

using kernels::TensorView;

namespace {

// As the models' makers compute it: in BF16 the root is rounded first (MODEL_SPECS 8b).
float EmbeddingScale(const v1::ModelSpec& model, const LayerContext& context) {
  if (!model.scaled_embeddings()) return 1;
  const auto root = static_cast<float>(std::sqrt(double(model.hidden_size())));
  const bool rounds = context.compute == kernels::Compute::kBf16;
  return rounds ? kernels::ToFloat(kernels::ToBf16(root)) : root;
}

}  // namespace

Decoder::Decoder(const v1::ShardPlan& plan, const ParallelContext& parallel,
                 kernels::Device& device)
    : model_(plan.model()),
      quantises_(plan.compute() == v1::COMPUTE_MODE_W8A8),
      parallel_(parallel),
      ropes_(MakeRopeTables(device, model_)) {}

void Decoder::Load(WeightLoader& loader, const LayerContext& context) {
  const int64_t vocab = model_.vocab_size();
  const int64_t hidden = model_.hidden_size();
  const std::string embedding = NameOf("model.embed_tokens.weight");
  embedding_.Load(loader, context, embedding, vocab, hidden, EmbeddingScale(model_, context));
  blocks_ = std::vector<DecoderBlock>(model_.num_layers());
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    blocks_[layer].Load(loader, context, model_, layer, &ropes_);
  }
  LoadNorm(loader, model_, NameOf("model.norm.weight"), hidden, &final_norm_);
  head_.Load(loader, context, model_.tie_word_embeddings() ? embedding : NameOf("lm_head.weight"),
             vocab, hidden);
}

absl::Status Decoder::Forward(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                              const TensorView& hidden, const TensorView& logits) {
  ActivationArena::Scope scope(context.arena);
  const Stream stream = TakeStream(context, hidden);
  if (batch.num_rows() > 0) {
    SY_RETURN_IF_ERROR(embedding_.Forward(context, batch.token_ids, stream.h));
  }
  SY_RETURN_IF_ERROR(RunBlocks(context, model_, blocks_, batch, kv, stream));
  NormStream(context, stream, NormBy(final_norm_));
  context.Record("hidden", model_.num_layers(), stream.h);
  context.Record("final_norm", -1, stream.normed);
  Project(context, batch, head_, stream.normed,
          context.Take({std::ssize(batch.output_rows), model_.hidden_size()}), logits);
  return absl::OkStatus();
}

void Decoder::Project(const LayerContext& context, const ForwardBatch& batch, const LmHead& head,
                      const TensorView& normed, const TensorView& rows,
                      const TensorView& logits) const {
  if (batch.output_rows.empty()) return;
  context.ops.GatherRows({.x = normed, .rows = batch.output_rows, .y = rows});
  head.Forward(context, rows, logits);
}

int64_t Decoder::ArenaBytes(const v1::StepLimits& limits, int64_t max_output_rows) const {
  const int64_t tokens = limits.max_batched_tokens();
  const int64_t ranks = parallel_.tensor_parallel();
  const int64_t hidden = model_.hidden_size();
  // Floats of the widest moment of each part; parts that never stand together count once, by their
  // maximum.
  const AttentionSize attention = SizeOfAttention(model_, tokens, ranks, quantises_);
  const auto reduce_scratch = [&](int64_t n) {
    return Collectives::MaxReduceScratchSize(static_cast<int>(ranks), n);
  };
  // W8A8 may gather the largest values of quantisation groups before a row-parallel sum.
  const int64_t amax = tokens * RowParallelLinear::NumAmaxGroups(std::max<int64_t>(
                                    model_.intermediate_size(), attention.output_columns));
  const int64_t sum_scratch =
      ranks > 1 ? reduce_scratch(tokens * hidden) + amax + reduce_scratch(amax) : 0;
  // Norms write rows for quantised products beside the others.
  const int64_t quantised = quantises_ ? kernels::QuantisedRows::MostFloats(tokens, hidden) : 0;
  const int64_t dense = tokens * (model_.intermediate_size() / ranks);
  const int64_t router = model_.has_moe() ? tokens * model_.moe().num_routed_experts() : 0;
  const int64_t routing = model_.has_moe() ? 2 * tokens * model_.moe().experts_per_token() : 0;
  const int64_t output = max_output_rows * 2 * hidden;
  const int64_t widest = std::max({attention.floats, dense, router, output}) + sum_scratch;
  constexpr int64_t kRoundingSlack = 64 * kKiB;  // every Take rounds up to a cache line
  return (StreamRows(limits) * hidden + routing + quantised + widest) * int64_t{sizeof(float)} +
         kRoundingSlack;
}

}  // namespace switchyard::worker
