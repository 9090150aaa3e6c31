#include "worker/exec/mtp_drafter.h"

#include <algorithm>

#include "worker/parallel/padded_rows.h"

namespace switchyard::worker {

using kernels::TensorView;

absl::Status MtpDrafter::Draft(const ComputedStep& step, int32_t num_drafts) {
  Follow(step, /*guess=*/num_drafts > 0);
  ActivationArena::Scope scope(context_.arena);
  const int64_t width = step.hidden.RowElements();
  // Of the first pass, and of those behind it, which have a row for each guess.
  const int64_t most_guesses = num_drafts > 0 ? limits_.max_running() : 0;
  PassSize size = passes_.PaddedSize(
      batch_, {.rows = limits_.max_batched_tokens(), .output_rows = most_guesses});
  const int64_t guess_rows =
      std::max(size.output_rows, std::min(PaddedRows(size.output_rows), most_guesses));
  const TensorView first = context_.Take({size.rows, width});
  const TensorView state = context_.Take({guess_rows, width});
  const TensorView next_state = context_.Take({guess_rows, width});
  const TensorView* from = &step.hidden;
  TensorView hidden = first;
  for (int32_t pass = 0;; ++pass) {
    SY_RETURN_IF_ERROR(passes_.ForwardMtp({.batch = batch_,
                                           .from = rows_,
                                           .states = *from,
                                           .hidden = hidden,
                                           .next_hidden = next_state.Rows(0, size.output_rows),
                                           .logits = step.logits.Rows(0, size.output_rows)}));
    SY_RETURN_IF_ERROR(Guess(step.logits.Rows(0, std::ssize(branches_))));
    if (pass + 1 >= num_drafts) break;
    GoOn();
    size = passes_.PaddedSize(batch_, {.rows = most_guesses, .output_rows = most_guesses});
    from = &next_state;
    hidden = state.Rows(0, size.rows);
  }
  return absl::OkStatus();
}

void MtpDrafter::Follow(const ComputedStep& step, bool guess) {
  batch_.Clear();
  rows_.clear();
  branches_.clear();
  size_t next_output = 0;
  const auto add = [&](int64_t row) {
    const bool is_output =
        next_output < step.outputs.size() && step.batch.output_rows[next_output] == row;
    const size_t i = next_output;
    next_output += is_output ? 1 : 0;
    int32_t next = step.batch.next_tokens[row];
    if (next == ForwardBatch::kUnknown && is_output) next = step.outputs[i].token;
    if (next == ForwardBatch::kUnknown) return false;
    if (is_output && IsFrontier(step.outputs, i)) {
      SequenceState& sequence = *step.outputs[i].sequence;
      sequence.drafts.clear();
      if (guess && sequence.is_drafted) {
        batch_.output_rows.push_back(static_cast<int32_t>(rows_.size()));
        branches_.push_back({.sequence = &sequence, .sampling = sequence.sampling});
      }
    }
    rows_.push_back(static_cast<int32_t>(row));
    batch_.token_ids.push_back(next);
    batch_.positions.push_back(step.batch.positions[row]);
    batch_.slots.push_back(step.batch.slots[row]);
    return true;
  };
  for (const PrefillSpan& span : step.batch.prefill) {
    PrefillSpan kept = span;
    kept.row_begin = batch_.num_rows();
    kept.num_rows = 0;
    for (int64_t row = span.row_begin; row < span.row_begin + span.num_rows; ++row) {
      kept.num_rows += add(row) ? 1 : 0;  // the last may have no token behind it
    }
    if (kept.num_rows > 0) batch_.prefill.push_back(kept);
  }
  batch_.num_prefill_rows = batch_.num_rows();
  for (int64_t row = step.batch.num_prefill_rows; row < step.batch.num_rows(); ++row) {
    if (add(row)) {
      batch_.decode_tables.push_back(step.batch.decode_tables[row - step.batch.num_prefill_rows]);
    }
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
