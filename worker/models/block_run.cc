#include "worker/models/block_run.h"

#include <vector>

#include "worker/layers/micro_batches.h"

namespace switchyard::worker {
namespace {

Stream RowsOf(const Stream& stream, const IndexRange& rows) {
  return {.h = stream.h.Rows(rows.begin, rows.size()),
          .delta = stream.delta.Rows(rows.begin, rows.size()),
          .normed = stream.normed.Rows(rows.begin, rows.size())};
}

// A micro-batch on its way.
struct Passage {
  const ForwardBatch& batch;
  Stream stream;
  MoePass moe;  // of models with experts
};

class BlockRun {
 public:
  BlockRun(const LayerContext& context, const v1::ModelSpec& model, const MicroBatches& parts,
           KvStore& kv, const Stream& stream)
      : context_(context), kv_(kv) {
    for (int i = 0; i < parts.count(); ++i) {
      passages_.push_back({.batch = parts.batch(i), .stream = RowsOf(stream, parts.rows(i))});
      if (context.exchanges == nullptr) continue;
      Passage& passage = passages_.back();
      passage.moe = {.exchange = &context.exchanges->of(i),
                     .x = passage.stream.normed,
                     .y = passage.stream.delta,
                     .slots = context.slots,
                     .routing = MoeBlock::TakeRouting(context, model.moe(), parts.rows(i).size())};
    }
  }

  absl::Status Through(const DecoderBlock& block) {
    if (block.moe() != nullptr) return ThroughExperts(block, *block.moe());
    for (const Passage& passage : passages_) SY_RETURN_IF_ERROR(Attend(block, passage));
    begun_ = nullptr;
    return absl::OkStatus();
  }

  // Outputs of the experts that are under way.
  absl::Status Finish(const Passage& passage) {
    return begun_ == nullptr ? absl::OkStatus() : begun_->Finish(context_, passage.moe);
  }
  absl::Status Finish() {
    for (const Passage& passage : passages_) SY_RETURN_IF_ERROR(Finish(passage));
    return absl::OkStatus();
  }

 private:
  absl::Status Attend(const DecoderBlock& block, const Passage& passage) {
    SY_RETURN_IF_ERROR(Finish(passage));
    SY_RETURN_IF_ERROR(block.Attend(context_, passage.batch, kv_, passage.stream, is_first_));
    if (&passage == &passages_.back()) is_first_ = false;
    return absl::OkStatus();
  }

  absl::Status ThroughExperts(const DecoderBlock& block, const MoeBlock& moe) {
    const MoePass& first = passages_.front().moe;
    const MoePass& last = passages_.back().moe;
    const bool two = passages_.size() == 2;
    SY_RETURN_IF_ERROR(Attend(block, passages_.front()));
    SY_RETURN_IF_ERROR(moe.Begin(context_, block.layer(), first));
    if (two) SY_RETURN_IF_ERROR(Attend(block, passages_.back()));
    SY_RETURN_IF_ERROR(moe.Send(first));
    if (two) SY_RETURN_IF_ERROR(moe.Begin(context_, block.layer(), last));
    SY_RETURN_IF_ERROR(moe.Compute(context_, first));
    if (two) SY_RETURN_IF_ERROR(moe.Send(last));
    SY_RETURN_IF_ERROR(moe.SendBack(first));
    if (two) {
      SY_RETURN_IF_ERROR(moe.Compute(context_, last));
      SY_RETURN_IF_ERROR(moe.SendBack(last));
    }
    begun_ = &moe;
    return absl::OkStatus();
  }

  const LayerContext& context_;
  KvStore& kv_;
  std::vector<Passage> passages_;    // of the micro-batches
  const MoeBlock* begun_ = nullptr;  // whose outputs are on their way
  bool is_first_ = true;             // the streams have no delta yet
};

}  // namespace

absl::Status RunBlocks(const LayerContext& context, const v1::ModelSpec& model,
                       std::span<const DecoderBlock> blocks, const ForwardBatch& batch, KvStore& kv,
                       const Stream& stream) {
  ActivationArena::Scope scope(context.arena);
  const MicroBatches parts(
      batch, context.exchanges == nullptr ? 1 : context.exchanges->num_micro_batches());
  BlockRun run(context, model, parts, kv, stream);
  for (const DecoderBlock& block : blocks) SY_RETURN_IF_ERROR(run.Through(block));
  return run.Finish();
}

}  // namespace switchyard::worker
