#include "worker/exec/mtp_drafter.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::worker {

using kernels::TensorView;

absl::Status MtpDrafter::Draft(const ComputedStep& step, int32_t num_drafts,
                               std::span<uint32_t> expert_rows) {
  Follow(step, /*guess=*/num_drafts > 0);
  ActivationArena::Scope scope(context_.arena);
  const int64_t width = step.hidden.RowElements();
  const int64_t num_guesses = std::ssize(branches_);
  const TensorView first = context_.Take({std::ssize(rows_), width});
  const TensorView state = context_.Take({num_guesses, width});
  const TensorView next_state = context_.Take({num_guesses, width});
  const TensorView* from = &step.hidden;
  TensorView hidden = first;
  for (int32_t pass = 0; pass < std::max(num_drafts, 1); ++pass) {
    if (!rows_.empty()) context_.ops.GatherRows({.x = *from, .rows = rows_, .y = hidden});
    const int64_t count = std::ssize(branches_);
    const TensorView logits = step.logits.Rows(0, count);
    SY_RETURN_IF_ERROR(model_.ForwardMtp(context_, batch_, kv_, hidden, next_state.Rows(0, count),
                                         logits, expert_rows));
    SY_RETURN_IF_ERROR(Guess(logits));
    if (pass + 1 < num_drafts) GoOn();
    from = &next_state;
    hidden = state.Rows(0, std::ssize(rows_));
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
  const int64_t block_tokens = kv_.layout().block_tokens;
  std::vector<Branch> branches;
  std::vector<int32_t> positions;
  rows_.clear();
  for (size_t i = 0; i < branches_.size(); ++i) {
    Branch& branch = branches_[i];
    const int32_t position = batch_.positions[batch_.output_rows[i]] + 1;
    const int64_t covered = std::ssize(branch.sequence->blocks) * block_tokens;
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
    batch_.slots.push_back(sequence.blocks[position / block_tokens] * block_tokens +
                           position % block_tokens);
    batch_.decode_tables.push_back(sequence.blocks.data());
    batch_.output_rows.push_back(static_cast<int32_t>(i));
  }
}

}  // namespace switchyard::worker
