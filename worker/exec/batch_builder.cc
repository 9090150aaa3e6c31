#include "worker/exec/batch_builder.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/units.h"
#include "worker/kv/kv_store.h"

namespace switchyard::worker {
namespace {

absl::Status Misfit(const v1::SequenceWork& work, std::string_view what) {
  return absl::InternalError(fmt::format("sequence {}: {}", work.sequence_id(), what));
}

bool ReportsPrompt(const SequenceState& sequence) {
  return sequence.sampling.params().has_prompt_logprobs();
}

bool ReportsFull(const OutputRow& output) {
  const v1::SamplingParams& params = output.sequence->sampling.params();
  const bool is_scored = !output.sample && output.next_token != OutputRow::kNone;
  return (output.sample && params.top_logprobs() == SamplingState::kFull) ||
         (is_scored && params.prompt_logprobs() == SamplingState::kFull);
}

size_t NumTiles(const v1::ShardPlan& plan) {
  return static_cast<size_t>(plan.kv().expanded_tokens() / KvLayout::kTileTokens);
}

}  // namespace

void SequenceState::Take(int32_t position, int32_t token) {
  last_sampled = token;
  num_computed = position;
  sampling.See(position, {&token, 1});
  if (history) history->Append(position, {&token, 1});
  is_ended = position + 1 >= max_length ||
             std::find(stop_tokens.begin(), stop_tokens.end(), token) != stop_tokens.end();
}

BatchBuilder::BatchBuilder(const v1::ShardPlan& plan, const Options& options)
    : plan_(plan), options_(options), free_tiles_(NumTiles(plan)) {
  std::iota(free_tiles_.rbegin(), free_tiles_.rend(), 0);
}

absl::Status BatchBuilder::Build(const v1::StepPlan& plan, ForwardBatch* batch,
                                 std::vector<OutputRow>* outputs) {
  SY_CHECK_GT(plan.step(), 0u);  // 0 is "never" in SequenceState
  batch->Clear();
  outputs->clear();
  for (const uint64_t id : computed_prompts_) GiveTilesBack(&sequences_.at(id));
  computed_prompts_.clear();
  for (const uint64_t id : plan.released()) Forget(id);
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
    num_tokens += found->second.num_rows;
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
    states[i]->num_computed += states[i]->num_rows;
  }
  if (!options_.all_outputs && std::ssize(*outputs) > MaxOutputRows(plan_.limits())) {
    return absl::InternalError(fmt::format("logits of {} tokens in a step, the limit is {}",
                                           outputs->size(), MaxOutputRows(plan_.limits())));
  }
  const auto num_full = std::count_if(outputs->begin(), outputs->end(), ReportsFull);
  if (num_full > plan_.limits().max_full_logprobs()) {
    return absl::InternalError(
        fmt::format("log probabilities of the whole vocabulary for {} tokens in a step, the limit "
                    "is {}",
                    num_full, plan_.limits().max_full_logprobs()));
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
  SequenceState& sequence = entry->second;
  sequence.prompt_length = start.prompt_length();
  sequence.max_length = plan_.model().max_position_embeddings();
  if (start.max_length() > 0) {
    sequence.max_length = std::min(sequence.max_length, start.max_length());
  }
  sequence.stop_tokens.assign(start.stop_tokens().begin(), start.stop_tokens().end());
  sequence.is_drafted = start.drafts();
  if (start.drafts() && plan_.drafts().method() == v1::DRAFT_METHOD_NGRAM) {
    sequence.history.emplace();
  }
  absl::StatusOr<SamplingState> sampling =
      SamplingState::Create(start.sampling(), start.prompt_length(), plan_.model().vocab_size());
  if (!sampling.ok()) {
    return Annotate(sampling.status(), fmt::format("sequence {}", start.sequence_id()));
  }
  sequence.sampling = *std::move(sampling);
  SY_RETURN_IF_ERROR(
      Annotate(Bind(start, &sequence.sampling), fmt::format("sequence {}", start.sequence_id())));
  return StartCached(start, &sequence);
}

absl::Status BatchBuilder::Bind(const v1::SequenceStart& start, SamplingState* sampling) const {
  std::optional<GrammarMatcher> grammar;
  if (start.has_grammar()) {
    if (options_.grammars == nullptr) return absl::InternalError("grammars are not run here");
    SY_ASSIGN_OR_RETURN(grammar, options_.grammars->Begin(start.grammar()));
  }
  if (!grammar && start.sampling().thoughts_end_tokens().empty()) return absl::OkStatus();
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
  const bool looks_back = sequence->sampling.looks_back() || sequence->history.has_value();
  if ((num_told > 0 || looks_back) && num_told != num_cached) {
    return misfit(fmt::format("of which the plan tells {}", num_told));
  }
  for (const int32_t token : start.cached_tokens()) {
    if (!InVocabulary(token)) return misfit(fmt::format("among them {}", token));
  }
  sequence->num_computed = num_cached;
  if (plan_.kv().num_window_blocks() > 0) {
    // What the first query does not see has no block; its entries are not read.
    const int32_t unseen = std::max(num_cached + 1 - plan_.kv().window(), 0);
    sequence->window_blocks.assign(static_cast<size_t>(unseen / plan_.kv().block_tokens()), 0);
  }
  const std::span<const int32_t> told(start.cached_tokens().data(), static_cast<size_t>(num_told));
  sequence->sampling.See(0, told);
  if (sequence->history) sequence->history->Append(0, told);
  return absl::OkStatus();
}

bool BatchBuilder::InVocabulary(int32_t token) const {
  return token >= 0 && token < plan_.model().vocab_size();
}

absl::Status BatchBuilder::CheckTokens(const v1::SequenceWork& work) const {
  const auto misfit = [&](int32_t token) {
    return Misfit(work, fmt::format("token {} is not in the vocabulary of {}", token,
                                    plan_.model().vocab_size()));
  };
  for (const int32_t token : work.tokens()) {
    if (!InVocabulary(token)) return misfit(token);
  }
  if (work.has_next_token() && !InVocabulary(work.next_token())) return misfit(work.next_token());
  return absl::OkStatus();
}

int32_t BatchBuilder::RowsToDraft(const v1::SequenceWork& work,
                                  const SequenceState& sequence) const {
  if (sequence.is_ended) return 0;
  if (!work.sample()) return 1;  // nothing would tell which of them to keep
  // The newest token stands at num_computed; one is sampled behind each row.
  const int32_t covered = static_cast<int32_t>(sequence.blocks.size()) * plan_.kv().block_tokens();
  const int32_t room = std::min(covered, sequence.max_length - 1) - sequence.num_computed;
  const auto num_drafts = static_cast<int32_t>(sequence.drafts.size());
  return 1 + std::clamp(std::min(work.max_drafts(), num_drafts), 0, std::max(room - 1, 0));
}

absl::Status BatchBuilder::Extend(const v1::SequenceWork& work, SequenceState* sequence) const {
  const int32_t begin = sequence->num_computed;
  // Plans under way, two at most, may have got further than it was sure.
  const int32_t ahead = work.use_last_sampled() ? 2 * MaxDrafts(plan_.drafts()) : 0;
  if (begin < work.begin_position() || begin - work.begin_position() > ahead) {
    return Misfit(
        work, fmt::format("begins at position {}, {} are computed", work.begin_position(), begin));
  }
  if (work.use_last_sampled() && (work.tokens_size() > 0 || sequence->last_sampled < 0)) {
    return Misfit(work, "asks for a sampled token that there is none of");
  }
  if (!work.use_last_sampled() && work.tokens().empty()) {
    return Misfit(work, "no tokens to compute");
  }
  if (work.max_drafts() < 0 || work.max_drafts() > MaxDrafts(plan_.drafts())) {
    return Misfit(work, fmt::format("{} drafts, the limit is {}", work.max_drafts(),
                                    MaxDrafts(plan_.drafts())));
  }
  SY_RETURN_IF_ERROR(CheckTokens(work));
  SY_RETURN_IF_ERROR(AddBlocks(work, sequence));
  const int32_t count = work.use_last_sampled() ? RowsToDraft(work, *sequence) : work.tokens_size();
  sequence->num_rows = count;
  if (count > plan_.model().max_position_embeddings() - begin) {
    return Misfit(work, fmt::format("{} tokens at position {} pass the context of {}", count, begin,
                                    plan_.model().max_position_embeddings()));
  }
  if (ReportsPrompt(*sequence) && begin + count < sequence->prompt_length &&
      !work.has_next_token()) {
    return Misfit(work, "the next token is missing, whose log probability is wanted");
  }
  if (!work.use_last_sampled()) {
    const std::span<const int32_t> tokens(work.tokens().data(),
                                          static_cast<size_t>(work.tokens_size()));
    sequence->sampling.See(begin, tokens);
    if (sequence->history) sequence->history->Append(begin, tokens);
  }
  return CheckCovered(work, *sequence, begin + count);
}

absl::Status BatchBuilder::AddBlocks(const v1::SequenceWork& work, SequenceState* sequence) const {
  const auto add = [&](const auto& blocks, int32_t num_blocks, std::string_view kind,
                       std::vector<int32_t>* table) {
    for (const int32_t block : blocks) {
      if (block < 0 || block >= num_blocks) {
        return Misfit(work, fmt::format("{} {} of {}", kind, block, num_blocks));
      }
      table->push_back(block);
    }
    return absl::OkStatus();
  };
  SY_RETURN_IF_ERROR(add(work.new_blocks(), plan_.kv().num_blocks(), "block", &sequence->blocks));
  return add(work.new_window_blocks(), plan_.kv().num_window_blocks(), "window block",
             &sequence->window_blocks);
}

absl::Status BatchBuilder::CheckCovered(const v1::SequenceWork& work, const SequenceState& sequence,
                                        int32_t num_tokens) const {
  const auto needed = static_cast<size_t>(CeilDiv(num_tokens, plan_.kv().block_tokens()));
  if (needed > sequence.blocks.size()) {
    return Misfit(work, fmt::format("needs {} blocks and has {}", needed, sequence.blocks.size()));
  }
  if (plan_.kv().num_window_blocks() > 0 && needed > sequence.window_blocks.size()) {
    return Misfit(work, fmt::format("needs {} window blocks and has {}", needed,
                                    sequence.window_blocks.size()));
  }
  return absl::OkStatus();
}

void BatchBuilder::AddRows(const v1::SequenceWork& work, SequenceState* sequence, bool prompt_rows,
                           ForwardBatch* batch, std::vector<OutputRow>* outputs) {
  const int32_t begin = sequence->num_computed;
  const int32_t end = begin + sequence->num_rows;
  const int32_t border = std::clamp(sequence->prompt_length, begin, end);
  const int32_t first = prompt_rows ? begin : border;
  const int32_t last = prompt_rows ? border : end;
  if (first == last) return;
  if (prompt_rows) {
    if (last == sequence->prompt_length) computed_prompts_.push_back(work.sequence_id());
    batch->prefill.push_back(SpanOf(batch->num_rows(), first, last, sequence));
  }
  const int32_t block_tokens = plan_.kv().block_tokens();
  const bool drafts = work.use_last_sampled();
  const auto token_at = [&](int32_t position) {
    if (!drafts) return work.tokens(position - begin);
    return position == begin ? sequence->last_sampled : sequence->drafts[position - begin - 1];
  };
  for (int32_t position = first; position < last; ++position) {
    const bool is_last = position == end - 1;
    const bool sample = work.sample() && (is_last || drafts);
    const bool scored = ReportsPrompt(*sequence) && position + 1 < sequence->prompt_length;
    int32_t next = ForwardBatch::kUnknown;
    if (!drafts && !is_last) next = work.tokens(position + 1 - begin);
    if (!drafts && is_last && work.has_next_token()) next = work.next_token();
    if (sample || scored || options_.all_outputs) {
      batch->output_rows.push_back(static_cast<int32_t>(batch->num_rows()));
      outputs->push_back({.sequence_id = work.sequence_id(),
                          .position = position,
                          .sample = sample,
                          .next_token = scored ? next : OutputRow::kNone,
                          .num_drafts = drafts ? position - begin : 0,
                          .sequence = sequence});
    }
    batch->token_ids.push_back(token_at(position));
    batch->next_tokens.push_back(next);
    batch->positions.push_back(position);
    batch->slots.push_back(int64_t{sequence->blocks[position / block_tokens]} * block_tokens +
                           position % block_tokens);
    if (!prompt_rows) batch->decode_tables.push_back(sequence->blocks.data());
    if (plan_.kv().num_window_blocks() == 0) continue;
    batch->window_slots.push_back(int64_t{sequence->window_blocks[position / block_tokens]} *
                                      block_tokens +
                                  position % block_tokens);
    if (!prompt_rows) batch->window_decode_tables.push_back(sequence->window_blocks.data());
  }
}

PrefillSpan BatchBuilder::SpanOf(int64_t row_begin, int32_t first, int32_t last,
                                 SequenceState* sequence) {
  // The last chunk of a prompt fills the tiles that are there; nothing reads them after it.
  if (last < sequence->prompt_length) TakeTiles(last, sequence);
  const int32_t num_expanded = sequence->num_expanded;
  const int64_t kept = std::ssize(sequence->tiles) * KvLayout::kTileTokens;
  sequence->num_expanded = static_cast<int32_t>(std::min<int64_t>(last, kept));
  return {.row_begin = row_begin,
          .num_rows = last - first,
          .begin_position = first,
          .table = sequence->blocks,
          .window_table = sequence->window_blocks,
          .tiles = sequence->tiles,
          .num_expanded = num_expanded};
}

void BatchBuilder::TakeTiles(int32_t last, SequenceState* sequence) {
  const int64_t wanted = CeilDiv(int64_t{last}, KvLayout::kTileTokens);
  while (std::ssize(sequence->tiles) < wanted && !free_tiles_.empty()) {
    sequence->tiles.push_back(free_tiles_.back());
    free_tiles_.pop_back();
  }
}

void BatchBuilder::GiveTilesBack(SequenceState* sequence) {
  free_tiles_.insert(free_tiles_.end(), sequence->tiles.rbegin(), sequence->tiles.rend());
  sequence->tiles.clear();
  sequence->num_expanded = 0;
}

void BatchBuilder::Forget(uint64_t id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  GiveTilesBack(&found->second);
  sequences_.erase(found);
}

}  // namespace switchyard::worker
