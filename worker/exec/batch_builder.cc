#include "worker/exec/batch_builder.h"

#include <algorithm>

#include "base/check.h"
#include "base/units.h"

namespace switchyard::worker {
namespace {

int32_t NumTokens(const v1::SequenceWork& work) {
  return work.use_last_sampled() ? 1 : work.tokens_size();
}

absl::Status Misfit(const v1::SequenceWork& work, std::string_view what) {
  return absl::InternalError(fmt::format("sequence {}: {}", work.sequence_id(), what));
}

bool ReportsPrompt(const SequenceState& sequence) {
  return sequence.sampling.params().has_prompt_logprobs();
}

}  // namespace

BatchBuilder::BatchBuilder(const v1::ShardPlan& plan, const Options& options)
    : plan_(plan), options_(options) {}

absl::Status BatchBuilder::Build(const v1::StepPlan& plan, ForwardBatch* batch,
                                 std::vector<OutputRow>* outputs) {
  SY_CHECK_GT(plan.step(), 0u);  // 0 is "never" in SequenceState
  batch->Clear();
  outputs->clear();
  for (uint64_t id : plan.released()) sequences_.erase(id);
  for (const v1::SequenceStart& start : plan.started()) SY_RETURN_IF_ERROR(Start(start));
  if (plan.groups_size() != plan_.layout().data_parallel()) {
    return absl::InternalError(fmt::format("the plan has work for {} groups, the layout {}",
                                           plan.groups_size(), plan_.layout().data_parallel()));
  }
  const v1::GroupWork& group = plan.groups(options_.group);
  if (group.sequences_size() > plan_.limits().max_running()) {
    return absl::InternalError(fmt::format("{} sequences in a step, the limit is {}",
                                           group.sequences_size(), plan_.limits().max_running()));
  }
  std::vector<SequenceState*> states;
  int64_t num_tokens = 0;
  for (const v1::SequenceWork& work : group.sequences()) {
    const auto found = sequences_.find(work.sequence_id());
    if (found == sequences_.end()) return Misfit(work, "was not started");
    if (found->second.last_step == plan.step()) return Misfit(work, "stands in the plan twice");
    found->second.last_step = plan.step();
    SY_RETURN_IF_ERROR(Extend(work, &found->second));
    states.push_back(&found->second);
    num_tokens += NumTokens(work);
  }
  if (num_tokens > plan_.limits().max_batched_tokens()) {
    return absl::InternalError(fmt::format("{} tokens in a step, the limit is {}", num_tokens,
                                           plan_.limits().max_batched_tokens()));
  }
  for (int i = 0; i < group.sequences_size(); ++i) {
    AddRows(group.sequences(i), states[i], /*prompt_rows=*/true, batch, outputs);
  }
  batch->num_prefill_rows = batch->num_rows();
  for (int i = 0; i < group.sequences_size(); ++i) {
    AddRows(group.sequences(i), states[i], /*prompt_rows=*/false, batch, outputs);
    states[i]->num_computed += NumTokens(group.sequences(i));
  }
  if (!options_.all_outputs && std::ssize(*outputs) > MaxOutputRows(plan_.limits())) {
    return absl::InternalError(fmt::format("logits of {} tokens in a step, the limit is {}",
                                           outputs->size(), MaxOutputRows(plan_.limits())));
  }
  return absl::OkStatus();
}

absl::Status BatchBuilder::Start(const v1::SequenceStart& start) {
  if (start.group() != options_.group) return absl::OkStatus();
  if (start.prompt_length() < 1) {
    return absl::InternalError(fmt::format("sequence {}: prompt of {} tokens", start.sequence_id(),
                                           start.prompt_length()));
  }
  const auto [entry, is_new] = sequences_.try_emplace(start.sequence_id());
  if (!is_new) {
    return absl::InternalError(fmt::format("sequence {}: started twice", start.sequence_id()));
  }
  entry->second.prompt_length = start.prompt_length();
  absl::StatusOr<SamplingState> sampling =
      SamplingState::Create(start.sampling(), start.prompt_length(), plan_.model().vocab_size());
  if (!sampling.ok()) {
    return Annotate(sampling.status(), fmt::format("sequence {}", start.sequence_id()));
  }
  entry->second.sampling = *std::move(sampling);
  SY_RETURN_IF_ERROR(Annotate(Bind(start, &entry->second.sampling),
                              fmt::format("sequence {}", start.sequence_id())));
  return StartCached(start, &entry->second);
}

absl::Status BatchBuilder::Bind(const v1::SequenceStart& start, SamplingState* sampling) const {
  std::optional<GrammarMatcher> grammar;
  if (start.has_grammar()) {
    if (options_.grammars == nullptr) return absl::InternalError("grammars are not run here");
    SY_ASSIGN_OR_RETURN(grammar, options_.grammars->Begin(start.grammar()));
  }
  if (!grammar && !start.sampling().has_thoughts_end_token()) return absl::OkStatus();
  sampling->Bind(TokenConstraint(start.sampling(), plan_.model().vocab_size(), std::move(grammar)));
  return absl::OkStatus();
}

absl::Status BatchBuilder::StartCached(const v1::SequenceStart& start,
                                       SequenceState* sequence) const {
  const int32_t num_cached = start.num_cached();
  const auto misfit = [&](std::string_view what) {
    return absl::InternalError(
        fmt::format("sequence {}: {} cached tokens, {}", start.sequence_id(), num_cached, what));
  };
  if (num_cached < 0 || num_cached % plan_.kv().block_tokens() != 0) {
    return misfit(fmt::format("and a block has {}", plan_.kv().block_tokens()));
  }
  if (num_cached >= plan_.model().max_position_embeddings()) {
    return misfit(fmt::format("the context is {}", plan_.model().max_position_embeddings()));
  }
  const int32_t num_told = start.cached_tokens_size();
  if ((num_told > 0 || sequence->sampling.looks_back()) && num_told != num_cached) {
    return misfit(fmt::format("of which the plan tells {}", num_told));
  }
  for (const int32_t token : start.cached_tokens()) {
    if (!InVocabulary(token)) return misfit(fmt::format("among them {}", token));
  }
  sequence->num_computed = num_cached;
  sequence->sampling.See(0, {start.cached_tokens().data(), static_cast<size_t>(num_told)});
  return absl::OkStatus();
}

bool BatchBuilder::InVocabulary(int32_t token) const {
  return token >= 0 && token < plan_.model().vocab_size();
}

absl::Status BatchBuilder::Extend(const v1::SequenceWork& work, SequenceState* sequence) const {
  const int32_t count = NumTokens(work);
  if (count < 1) return Misfit(work, "no tokens to compute");
  if (work.begin_position() != sequence->num_computed) {
    return Misfit(work, fmt::format("begins at position {}, {} are computed", work.begin_position(),
                                    sequence->num_computed));
  }
  if (count > plan_.model().max_position_embeddings() - work.begin_position()) {
    return Misfit(work,
                  fmt::format("{} tokens at position {} pass the context of {}", count,
                              work.begin_position(), plan_.model().max_position_embeddings()));
  }
  if (work.use_last_sampled() && (work.tokens_size() > 0 || sequence->last_sampled < 0)) {
    return Misfit(work, "asks for a sampled token that there is none of");
  }
  for (int32_t token : work.tokens()) {
    if (!InVocabulary(token)) {
      return Misfit(work, fmt::format("token {} is not in the vocabulary of {}", token,
                                      plan_.model().vocab_size()));
    }
  }
  if (!work.use_last_sampled()) {
    sequence->sampling.See(work.begin_position(),
                           {work.tokens().data(), static_cast<size_t>(work.tokens_size())});
  }
  if (work.has_next_token() && !InVocabulary(work.next_token())) {
    return Misfit(work, fmt::format("token {} is not in the vocabulary of {}", work.next_token(),
                                    plan_.model().vocab_size()));
  }
  if (ReportsPrompt(*sequence) && work.begin_position() + count < sequence->prompt_length &&
      !work.has_next_token()) {
    return Misfit(work, "the next token is missing, whose log probability is wanted");
  }
  for (int32_t block : work.new_blocks()) {
    if (block < 0 || block >= plan_.kv().num_blocks()) {
      return Misfit(work, fmt::format("block {} of {}", block, plan_.kv().num_blocks()));
    }
    sequence->blocks.push_back(block);
  }
  const int64_t needed = CeilDiv(work.begin_position() + count, plan_.kv().block_tokens());
  if (needed > static_cast<int64_t>(sequence->blocks.size())) {
    return Misfit(work, fmt::format("needs {} blocks and has {}", needed, sequence->blocks.size()));
  }
  return absl::OkStatus();
}

void BatchBuilder::AddRows(const v1::SequenceWork& work, SequenceState* sequence, bool prompt_rows,
                           ForwardBatch* batch, std::vector<OutputRow>* outputs) const {
  const int32_t begin = work.begin_position();
  const int32_t end = begin + NumTokens(work);
  const int32_t border = std::clamp(sequence->prompt_length, begin, end);
  const int32_t first = prompt_rows ? begin : border;
  const int32_t last = prompt_rows ? border : end;
  if (first == last) return;
  if (prompt_rows) {
    batch->prefill.push_back({.row_begin = batch->num_rows(),
                              .num_rows = last - first,
                              .begin_position = first,
                              .table = sequence->blocks});
  }
  const int32_t block_tokens = plan_.kv().block_tokens();
  for (int32_t position = first; position < last; ++position) {
    const bool sample = work.sample() && position == end - 1;
    const bool scored = ReportsPrompt(*sequence) && position + 1 < sequence->prompt_length;
    if (sample || scored || options_.all_outputs) {
      batch->output_rows.push_back(static_cast<int32_t>(batch->num_rows()));
      outputs->push_back({.sequence_id = work.sequence_id(),
                          .position = position,
                          .sample = sample,
                          .next_token = !scored               ? OutputRow::kNone
                                        : position == end - 1 ? work.next_token()
                                                              : work.tokens(position + 1 - begin),
                          .sequence = sequence});
    }
    batch->token_ids.push_back(work.use_last_sampled() ? sequence->last_sampled
                                                       : work.tokens(position - begin));
    batch->positions.push_back(position);
    batch->slots.push_back(int64_t{sequence->blocks[position / block_tokens]} * block_tokens +
                           position % block_tokens);
    if (!prompt_rows) batch->decode_tables.push_back(sequence->blocks.data());
  }
}

}  // namespace switchyard::worker
