#include "worker/exec/row_sampler.h"

#include <utility>

namespace switchyard::worker {
namespace {

template <typename Entry>
void AddOthers(const Sample& sample, Entry* entry) {
  entry->mutable_full_logprobs()->Add(sample.full.begin(), sample.full.end());
  for (const TokenLogit& likely : sample.top) {
    v1::TokenLogprob* top = entry->add_top();
    top->set_token(likely.token);
    top->set_logprob(likely.logit);
  }
}

void Report(const OutputRow& output, const Sample& sample, v1::StepResult* result) {
  if (!output.sample) {
    v1::PromptLogprob* scored = result->add_prompt_logprobs();
    scored->set_sequence_id(output.sequence_id);
    scored->set_position(output.position + 1);
    scored->set_logprob(sample.logprob);
    return AddOthers(sample, scored);
  }
  v1::SampledToken* sampled = result->add_sampled();
  sampled->set_sequence_id(output.sequence_id);
  sampled->set_position(output.position + 1);
  sampled->set_token(sample.token);
  sampled->set_logprob(sample.logprob);
  AddOthers(sample, sampled);
}

bool IsWanted(const OutputRow& output) {
  return output.sample || output.next_token != OutputRow::kNone;
}

}  // namespace

SampleRequest RowSampler::RequestFor(int32_t row, int32_t position, SamplingState& state) {
  SampleRequest request{.row = row, .position = position, .state = &state};
  TokenConstraint* const constraint = state.constraint();
  if (constraint != nullptr && constraint->binds()) {
    masks_.push_back(constraint->Allowed(columns_));
    request.mask = masks_.back();
  }
  return request;
}

void RowSampler::Ask(size_t row, const OutputRow& output) {
  SequenceState& sequence = *output.sequence;
  const v1::SamplingParams& params = sequence.sampling.params();
  if (!output.sample) {
    requests_.push_back({.row = static_cast<int32_t>(row),
                         .position = output.position + 1,
                         .given = output.next_token,
                         .with_logprob = true,
                         .num_top = params.prompt_logprobs()});
    return;
  }
  SamplingState* state = &sequence.sampling;
  if (output.num_drafts > 0) {
    // The row before is the one before in this sequence.
    branches_.push_back(output.num_drafts == 1 ? sequence.sampling : branches_.back());
    state = &branches_.back();
    state->See(output.position, {&sequence.drafts[output.num_drafts - 1], 1});
  }
  SampleRequest request = RequestFor(static_cast<int32_t>(row), output.position + 1, *state);
  request.with_logprob = params.has_top_logprobs();
  request.num_top = params.top_logprobs();
  request.is_guess = output.num_drafts > 0;
  requests_.push_back(request);
}

absl::Status RowSampler::Run(const kernels::TensorView& logits, std::span<OutputRow> outputs,
                             v1::StepResult* result) {
  requests_.clear();
  branches_.clear();
  masks_.clear();
  for (size_t row = 0; row < outputs.size(); ++row) {
    if (IsWanted(outputs[row])) Ask(row, outputs[row]);
  }
  if (requests_.empty()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const std::vector<Sample> samples,
                      sampler_.Run(logits, static_cast<int32_t>(outputs.size()), requests_));
  int32_t num_drafted = 0, num_accepted = 0, num_drafted_sequences = 0;
  const OutputRow* before = nullptr;
  for (size_t i = 0; i < samples.size(); ++i) {
    OutputRow& output = outputs[requests_[i].row];
    if (output.sample) {
      const bool is_draft = output.num_drafts > 0;
      num_drafted += is_draft ? 1 : 0;
      num_drafted_sequences += output.num_drafts == 1 ? 1 : 0;  // its first row with one
      const bool follows =
          !is_draft || (before->token == output.sequence->drafts[output.num_drafts - 1] &&
                        !output.sequence->is_ended);
      before = &output;
      if (!follows) continue;
      if (samples[i].token < 0) return BrokenLogits(output.position + 1);
      num_accepted += is_draft ? 1 : 0;
      output.token = samples[i].token;
      output.sequence->Take(output.position + 1, output.token);
    }
    if (result != nullptr) Report(output, samples[i], result);
  }
  if (result != nullptr) {
    result->set_num_drafted(num_drafted);
    result->set_num_accepted(num_accepted);
    result->set_num_drafted_sequences(num_drafted_sequences);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> RowSampler::Guess(const kernels::TensorView& logits,
                                                       std::span<SamplingState* const> states,
                                                       std::span<const int32_t> positions) {
  requests_.clear();
  masks_.clear();
  for (size_t row = 0; row < states.size(); ++row) {
    requests_.push_back(RequestFor(static_cast<int32_t>(row), positions[row], *states[row]));
    requests_.back().is_guess = true;
  }
  SY_ASSIGN_OR_RETURN(const std::vector<Sample> samples,
                      sampler_.Run(logits, static_cast<int32_t>(states.size()), requests_));
  std::vector<int32_t> tokens;
  tokens.reserve(samples.size());
  for (const Sample& sample : samples) tokens.push_back(sample.token);
  return tokens;
}

}  // namespace switchyard::worker
