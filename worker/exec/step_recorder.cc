#include "worker/exec/step_recorder.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "worker/parallel/padded_rows.h"

namespace switchyard::worker {
namespace {

static_assert(std::end(kPaddedRows)[-1] == StepRecorder::kMostRows);

// Into an array that stays where it is, because it always has as many elements.
template <typename T>
void CopyPadded(const std::vector<T>& from, int64_t size, T padding, std::vector<T>* to) {
  to->reserve(static_cast<size_t>(size));
  to->assign(from.begin(), from.end());
  to->resize(static_cast<size_t>(size), padding);
}

// Rows that are padding stand behind the others; logits that are, are those of the first row again.
void CopyPadded(const ForwardBatch& from, const StepSize& size, ForwardBatch* to) {
  CopyPadded(from.token_ids, size.rows, 0, &to->token_ids);
  CopyPadded(from.positions, size.rows, 0, &to->positions);
  CopyPadded(from.slots, size.rows, kernels::kNoSlot, &to->slots);
  CopyPadded<const int32_t*>(from.decode_tables, size.rows, nullptr, &to->decode_tables);
  CopyPadded(from.output_rows, size.output_rows, 0, &to->output_rows);
}

}  // namespace

bool StepRecorder::Records(const ForwardBatch& batch) const {
  const bool fixed = context_.exchange == nullptr ||
                     (context_.fixed_exchange != nullptr && context_.fixed_exchange->TakesStep());
  return context_.ops.records() && batch.prefill.empty() && batch.num_rows() > 0 &&
         batch.num_rows() <= kMostRows && fixed;
}

StepSize StepRecorder::PaddedSize(const ForwardBatch& batch) const {
  const StepSize own = {.rows = batch.num_rows(), .output_rows = std::ssize(batch.output_rows)};
  if (!Records(batch)) return own;
  const int64_t rows = std::min(PaddedRows(own.rows), most_.rows);
  const FixedExchange* exchange = context_.fixed_exchange;
  // Places are for the padded rows of all ranks, unless those have no room.
  const int64_t places = exchange == nullptr ? 0 : exchange->step_places();
  if (places > 0 && context_.parallel.MaxTokenSlice(rows) > places) return own;
  // Nearly always all rows give logits: to say so of all makes one shape of many.
  return {.rows = rows,
          .output_rows = std::max(own.output_rows, std::min(rows, most_.output_rows))};
}

StepRecorder::Shape StepRecorder::ShapeOf(const StepSize& size, const kernels::TensorView& hidden,
                                          const kernels::TensorView& logits) const {
  const FixedExchange* exchange = context_.fixed_exchange;
  return {.rows = size.rows,
          .output_rows = size.output_rows,
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

StepRecorder::Entry* StepRecorder::Add(const Shape& shape) {
  if (entries_.size() == kMostRecordings) {
    entries_.erase(
        std::min_element(entries_.begin(), entries_.end(),
                         [](const auto& a, const auto& b) { return a->last_use < b->last_use; }));
  }
  entries_.push_back(std::make_unique<Entry>(Entry{.shape = shape}));
  return entries_.back().get();
}

absl::Status StepRecorder::Forward(const ForwardBatch& batch, const kernels::TensorView& hidden,
                                   const kernels::TensorView& logits,
                                   std::span<uint32_t> expert_rows) {
  ++num_steps_;
  const StepSize size = PaddedSize(batch);
  SY_CHECK_EQ(hidden.rows(), size.rows);
  SY_CHECK_EQ(logits.rows(), size.output_rows);
  if (!Records(batch)) {
    return model_.Forward(context_, batch, kv_, hidden, logits, expert_rows);
  }
  const Shape shape = ShapeOf(size, hidden, logits);
  Entry* entry = Find(shape);
  const bool is_new = entry == nullptr;
  if (is_new) entry = Add(shape);
  entry->last_use = num_steps_;
  CopyPadded(batch, size, &entry->batch);
  // Computed directly, a step finds all the memory that its recording will need.
  if (is_new || entry->is_direct) return ForwardEntry(*entry, hidden, logits, expert_rows);
  if (entry->recording == nullptr) return Record(hidden, logits, expert_rows, entry);
  if (entry->recording->Replay()) {
    ++num_replays_;
    return absl::OkStatus();
  }
  entry->recording = nullptr;
  return ForwardEntry(*entry, hidden, logits, expert_rows);
}

absl::Status StepRecorder::ForwardEntry(Entry& entry, const kernels::TensorView& hidden,
                                        const kernels::TensorView& logits,
                                        std::span<uint32_t> expert_rows) {
  LayerContext context = context_;
  context.slots = entry.batch.slots;
  return model_.Forward(context, entry.batch, kv_, hidden, logits, expert_rows);
}

absl::Status StepRecorder::Record(const kernels::TensorView& hidden,
                                  const kernels::TensorView& logits,
                                  std::span<uint32_t> expert_rows, Entry* entry) {
  context_.ops.BeginRecording();
  const absl::Status status = ForwardEntry(*entry, hidden, logits, expert_rows);
  entry->recording = context_.ops.EndRecording();
  if (!status.ok()) {
    entry->recording = nullptr;
    return status;
  }
  if (!entry->recording->Replay()) {
    entry->recording = nullptr;
    entry->is_direct = true;
    return ForwardEntry(*entry, hidden, logits, expert_rows);
  }
  ++num_recordings_;
  ++num_replays_;
  return absl::OkStatus();
}

}  // namespace switchyard::worker
