#include "worker/exec/step_recorder.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "worker/parallel/padded_rows.h"

namespace switchyard::worker {

using kernels::TensorView;

namespace {

static_assert(std::end(kPaddedRows)[-1] == StepRecorder::kMostRows);

// Into an array that stays where it is, because it always has as many elements.
template <typename From, typename T>
void CopyPadded(const From& from, int64_t size, T padding, std::vector<T>* to) {
  to->reserve(static_cast<size_t>(size));
  to->assign(from.begin(), from.end());
  to->resize(static_cast<size_t>(size), padding);
}

// Rows that are padding stand behind the others; logits that are, are those of the first row again.
void CopyPadded(const ForwardBatch& from, const PassSize& size, ForwardBatch* to) {
  CopyPadded(from.token_ids, size.rows, 0, &to->token_ids);
  CopyPadded(from.positions, size.rows, 0, &to->positions);
  CopyPadded(from.slots, size.rows, kernels::kNoSlot, &to->slots);
  CopyPadded<std::vector<const int32_t*>, const int32_t*>(from.decode_tables, size.rows, nullptr,
                                                          &to->decode_tables);
  CopyPadded(from.output_rows, size.output_rows, 0, &to->output_rows);
  if (from.window_slots.empty()) return;
  CopyPadded(from.window_slots, size.rows, kernels::kNoSlot, &to->window_slots);
  CopyPadded<std::vector<const int32_t*>, const int32_t*>(from.window_decode_tables, size.rows,
                                                          nullptr, &to->window_decode_tables);
}

}  // namespace

bool StepRecorder::Records(const ForwardBatch& batch) const {
  const bool fixed = context_.exchanges == nullptr || context_.exchanges->is_fixed();
  return enabled_ && !has_prompts_ && batch.num_rows() > 0 && batch.num_rows() <= kMostRows &&
         fixed;
}

int64_t StepRecorder::StepPlaces() const {
  return context_.exchanges == nullptr ? 0 : context_.exchanges->step_places();
}

PassSize StepRecorder::PaddedSize(const ForwardBatch& batch, const PassSize& most) const {
  const PassSize own = {.rows = batch.num_rows(), .output_rows = std::ssize(batch.output_rows)};
  if (!Records(batch)) return own;
  const int64_t rows = std::min(PaddedRows(own.rows), most.rows);
  // Places are for the padded rows of all ranks, unless those have no room.
  const int64_t places = StepPlaces();
  if (places > 0 && context_.parallel.MaxTokenSlice(rows) > places) return own;
  // Nearly always all rows give logits: to say so of all makes one shape of many.
  return {.rows = rows, .output_rows = std::max(own.output_rows, std::min(rows, most.output_rows))};
}

absl::Status StepRecorder::Forward(const ForwardBatch& batch, const TensorView& hidden,
                                   const TensorView& logits) {
  return Run(batch, {},
             {.size = {.rows = hidden.rows(), .output_rows = logits.rows()},
              .places = StepPlaces(),
              .memory = {hidden.data, logits.data}},
             [&](const LayerContext& context, const ForwardBatch& inputs, auto) {
               return model_.Forward(context, inputs, kv_, hidden, logits);
             });
}

absl::Status StepRecorder::ForwardMtp(const MtpPass& pass) {
  return RunMtp(pass, [&](const LayerContext& context, const ForwardBatch& inputs) {
    return model_.ForwardMtp(context, inputs, kv_, pass.hidden, pass.next_hidden, pass.logits);
  });
}

absl::Status StepRecorder::CacheMtp(const MtpPass& pass) {
  return RunMtp(pass, [&](const LayerContext& context, const ForwardBatch& inputs) {
    return model_.CacheMtp(context, inputs, kv_, pass.hidden);
  });
}

template <typename Part>
absl::Status StepRecorder::RunMtp(const MtpPass& pass, const Part& compute) {
  return Run(
      pass.batch, pass.from,
      {.size = {.rows = pass.hidden.rows(),
                .output_rows = pass.logits.empty() ? 0 : pass.logits.rows()},
       .places = StepPlaces(),
       .memory = {pass.states.data, pass.hidden.data, pass.next_hidden.data, pass.logits.data}},
      [&](const LayerContext& context, const ForwardBatch& inputs, std::span<const int32_t> from) {
        if (!from.empty()) {
          context.ops.GatherRows({.x = pass.states, .rows = from, .y = pass.hidden});
        }
        return compute(context, inputs);
      });
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

absl::Status StepRecorder::Run(const ForwardBatch& batch, std::span<const int32_t> from,
                               const Shape& shape, const Compute& compute) {
  ++num_passes_;
  if (!Records(batch)) return compute(context_, batch, from);
  Entry* entry = Find(shape);
  const bool is_new = entry == nullptr;
  if (is_new) entry = Add(shape);
  entry->last_use = num_passes_;
  CopyPadded(batch, shape.size, &entry->inputs.batch);
  if (!from.empty()) CopyPadded(from, shape.size.rows, 0, &entry->inputs.from);
  // Computed directly, a pass finds all the memory that its recording will need.
  if (is_new || entry->is_direct) return Direct(*entry, compute);
  if (entry->recording == nullptr) return Record(compute, entry);
  if (entry->recording->Replay()) {
    ++num_replays_;
    return absl::OkStatus();
  }
  entry->recording = nullptr;
  return Direct(*entry, compute);
}

absl::Status StepRecorder::Direct(const Entry& entry, const Compute& compute) const {
  LayerContext context = context_;
  context.slots = entry.inputs.batch.slots;
  return compute(context, entry.inputs.batch, entry.inputs.from);
}

absl::Status StepRecorder::Record(const Compute& compute, Entry* entry) {
  context_.ops.BeginRecording();
  const absl::Status status = Direct(*entry, compute);
  entry->recording = context_.ops.EndRecording();
  if (!status.ok()) {
    entry->recording = nullptr;
    return status;
  }
  if (!entry->recording->Replay()) {
    entry->recording = nullptr;
    entry->is_direct = true;
    return Direct(*entry, compute);
  }
  ++num_recordings_;
  ++num_replays_;
  return absl::OkStatus();
}

}  // namespace switchyard::worker
