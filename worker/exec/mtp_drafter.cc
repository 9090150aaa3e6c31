#include "worker/exec/mtp_drafter.h"

#include <algorithm>

#include "worker/parallel/padded_rows.h"

namespace switchyard::worker {

using kernels::TensorView;

absl::Status MtpDrafter::Draft(const ComputedStep& step, int32_t num_drafts) {
  Follow(step, /*guess=*/num_drafts > 0);
  SY_RETURN_IF_ERROR(Cache(step));
  if (num_drafts == 0) return absl::OkStatus();
  ActivationArena::Scope scope(context_.arena);
  const int64_t width = step.hidden.RowElements();
  const int64_t most = limits_.max_running();
  PassSize size = passes_.PaddedSize(batch_, {.rows = most, .output_rows = most});
  // Of the first pass, and of those behind it, which have a row for each guess.
  const int64_t most_rows = std::max(size.rows, std::min(PaddedRows(size.rows), most));
  const TensorView input = context_.Take({most_rows, width});
  const TensorView state = context_.Take({most_rows, width});
  const TensorView* from = &step.hidden;
  for (int32_t pass = 0; pass < num_drafts; ++pass) {
    if (pass > 0) {
      GoOn();
      size = passes_.PaddedSize(batch_, {.rows = most, .output_rows = most});
    }
    SY_RETURN_IF_ERROR(passes_.ForwardMtp({.batch = batch_,
                                           .from = rows_,
                                           .states = *from,
                                           .hidden = input.Rows(0, size.rows),
                                           .next_hidden = state.Rows(0, size.output_rows),
                                           .logits = step.logits.Rows(0, size.output_rows)}));
    SY_RETURN_IF_ERROR(Guess(step.logits.Rows(0, std::ssize(branches_))));
    from = &state;
  }
  return absl::OkStatus();
}

absl::Status MtpDrafter::Cache(const ComputedStep& step) {
  ActivationArena::Scope scope(context_.arena);
  const PassSize size =
      passes_.PaddedSize(cached_batch_, {.rows = limits_.max_batched_tokens(), .output_rows = 0});
  return passes_.CacheMtp({.batch = cached_batch_,
                           .from = cached_rows_,
                           .states = step.hidden,
                           .hidden = context_.Take({size.rows, step.hidden.RowElements()})});
}

void MtpDrafter::Follow(const ComputedStep& step, bool guess) {
  for (ForwardBatch* batch : {&batch_, &cached_batch_}) batch->Clear();
  for (std::vector<int32_t>* rows : {&rows_, &cached_rows_}) rows->clear();
  branches_.clear();
  size_t next_output = 0;
  const auto add = [&](int64_t row, const int32_t* table) {
    const bool is_output =
        next_output < step.outputs.size() && step.batch.output_rows[next_output] == row;
    const size_t i = next_output;
    next_output += is_output ? 1 : 0;
    int32_t next = step.batch.next_tokens[row];
    if (next == ForwardBatch::kUnknown && is_output) next = step.outputs[i].token;
    if (next == ForwardBatch::kUnknown) return;
    bool is_guessed = false;
    if (is_output && IsFrontier(step.outputs, i)) {
      SequenceState& sequence = *step.outputs[i].sequence;
      sequence.drafts.clear();
      is_guessed = guess && sequence.is_drafted;
      if (is_guessed) branches_.push_back({.sequence = &sequence, .sampling = sequence.sampling});
    }
    ForwardBatch& batch = is_guessed ? batch_ : cached_batch_;
    (is_guessed ? rows_ : cached_rows_).push_back(static_cast<int32_t>(row));
    batch.token_ids.push_back(next);
    batch.positions.push_back(step.batch.positions[row]);
    batch.slots.push_back(step.batch.slots[row]);
    if (!is_guessed) return;
    batch.decode_tables.push_back(table);
    batch.output_rows.push_back(static_cast<int32_t>(batch.output_rows.size()));
  };
  for (const PrefillSpan& span : step.batch.prefill) {
    for (int64_t row = span.row_begin; row < span.row_begin + span.num_rows; ++row) {
      add(row, span.table.data());  // the last may have no token behind it
    }
  }
  for (int64_t row = step.batch.num_prefill_rows; row < step.batch.num_rows(); ++row) {
    add(row, step.batch.decode_tables[row - step.batch.num_prefill_rows]);
  }
}

absl::Status MtpDrafter::Guess(const TensorView& logits) {
  if (branches_.empty()) return absl::OkStatus();
  std::vector<SamplingState*> states;
  std::vector<int32_t> positions;
  for (size_t i = 0; i < branches_.size(); ++i) {
    states.push_back(&branches_[i].sampling);
    positions.push_back(batch_.positions[batch_.output_rows[i]] + 2);
  }
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, sampler_.Guess(logits, states, positions));
  for (size_t i = 0; i < branches_.size(); ++i) {
    branches_[i].guess = tokens[i];
    if (tokens[i] < 0) continue;
    branches_[i].sequence->drafts.push_back(tokens[i]);
    branches_[i].sampling.See(positions[i], {&tokens[i], 1});
  }
  return absl::OkStatus();
}

// The guesses become the tokens behind the next positions, as far as the sequences have blocks for
// these.
void MtpDrafter::GoOn() {
  std::vector<Branch> branches;
  std::vector<int32_t> positions;
  rows_.clear();
  for (size_t i = 0; i < branches_.size(); ++i) {
    Branch& branch = branches_[i];
    const int32_t position = batch_.positions[batch_.output_rows[i]] + 1;
    const int64_t covered = std::ssize(branch.sequence->blocks) * block_tokens_;
    if (branch.guess < 0 || position >= std::min<int64_t>(covered, branch.sequence->max_length)) {
      continue;
    }
    rows_.push_back(static_cast<int32_t>(i));
    positions.push_back(position);
    branches.push_back(std::move(branch));
  }
  branches_ = std::move(branches);
  batch_.Clear();
  for (size_t i = 0; i < branches_.size(); ++i) {
    const SequenceState& sequence = *branches_[i].sequence;
    const int32_t position = positions[i];
    batch_.token_ids.push_back(branches_[i].guess);
    batch_.positions.push_back(position);
    batch_.slots.push_back(sequence.blocks[position / block_tokens_] * block_tokens_ +
                           position % block_tokens_);
    batch_.decode_tables.push_back(sequence.blocks.data());
    batch_.output_rows.push_back(static_cast<int32_t>(i));
  }
}

}  // namespace switchyard::worker
