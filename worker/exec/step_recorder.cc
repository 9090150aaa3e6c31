#include "worker/exec/step_recorder.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::worker {
namespace {

// Into arrays that stay where they are: their sizes are those of the shape.
void CopyArrays(const ForwardBatch& from, ForwardBatch* to) {
  to->token_ids = from.token_ids;
  to->positions = from.positions;
  to->slots = from.slots;
  to->decode_tables = from.decode_tables;
  to->output_rows = from.output_rows;
}

}  // namespace

bool StepRecorder::Records(const ForwardBatch& batch) const {
  const bool fixed = context_.exchange == nullptr ||
                     (context_.fixed_exchange != nullptr && context_.fixed_exchange->TakesStep());
  return context_.ops.records() && batch.prefill.empty() && batch.num_rows() > 0 &&
         batch.num_rows() <= kMostRows && fixed;
}

StepRecorder::Shape StepRecorder::ShapeOf(const ForwardBatch& batch,
                                          const kernels::TensorView& hidden,
                                          const kernels::TensorView& logits) const {
  const FixedExchange* exchange = context_.fixed_exchange;
  return {.rows = batch.num_rows(),
          .output_rows = std::ssize(batch.output_rows),
          .places = exchange == nullptr ? 0 : exchange->step_places(),
          .hidden = hidden.data,
          .logits = logits.data};
}

StepRecorder::Entry* StepRecorder::Find(const Shape& shape) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(),
                   [&](const std::unique_ptr<Entry>& entry) { return entry->shape == shape; });
  return found == entries_.end() ? nullptr : found->get();
}

void StepRecorder::Add(const Shape& shape) {
  if (entries_.size() == kMostRecordings) {
    entries_.erase(
        std::min_element(entries_.begin(), entries_.end(),
                         [](const auto& a, const auto& b) { return a->last_use < b->last_use; }));
  }
  entries_.push_back(std::make_unique<Entry>(Entry{.shape = shape, .last_use = num_steps_}));
}

absl::Status StepRecorder::Forward(const ForwardBatch& batch, const kernels::TensorView& hidden,
                                   const kernels::TensorView& logits,
                                   std::span<uint32_t> expert_rows) {
  ++num_steps_;
  if (!Records(batch)) {
    return model_.Forward(context_, batch, kv_, hidden, logits, expert_rows);
  }
  const Shape shape = ShapeOf(batch, hidden, logits);
  Entry* const entry = Find(shape);
  if (entry == nullptr) {
    Add(shape);
    return model_.Forward(context_, batch, kv_, hidden, logits, expert_rows);
  }
  entry->last_use = num_steps_;
  CopyArrays(batch, &entry->batch);
  if (entry->recording != nullptr) {
    if (entry->recording->Replay()) {
      ++num_replays_;
      return absl::OkStatus();
    }
    // Computed directly, it finds all the memory that the next recording needs.
    entry->recording = nullptr;
    return model_.Forward(context_, batch, kv_, hidden, logits, expert_rows);
  }
  return Record(hidden, logits, expert_rows, entry);
}

absl::Status StepRecorder::Record(const kernels::TensorView& hidden,
                                  const kernels::TensorView& logits,
                                  std::span<uint32_t> expert_rows, Entry* entry) {
  context_.ops.BeginRecording();
  const absl::Status status =
      model_.Forward(context_, entry->batch, kv_, hidden, logits, expert_rows);
  entry->recording = context_.ops.EndRecording();
  if (!status.ok()) {
    entry->recording = nullptr;
    return status;
  }
  SY_CHECK(entry->recording->Replay()) << "a step that was just recorded does not fit";
  ++num_recordings_;
  ++num_replays_;
  return absl::OkStatus();
}

}  // namespace switchyard::worker
