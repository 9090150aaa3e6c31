#include "coordinator/core/sched/step_builder.h"

#include "base/check.h"

namespace switchyard::core {
namespace {

// Whether the tokens before it change how the next one is sampled: then workers must know them
// all, also those that they need not compute.
bool LooksBack(const Request& request) {
  const v1::SamplingParams& params = request.sampling;
  const bool repetition = params.repetition_penalty() != 0 && params.repetition_penalty() != 1;
  return repetition || params.presence_penalty() != 0 || params.frequency_penalty() != 0 ||
         params.bad_words_size() > 0 || params.thoughts_end_tokens_size() > 0 ||
         request.grammar != nullptr;
}

}  // namespace

StepBuilder::StepBuilder(const Header& header, v1::StepPlan& plan)
    : plan_(plan), tells_history_(header.tells_history) {
  // What starts has prompts and grammars with it, for whose memory there is no second use.
  google::protobuf::RepeatedPtrField<v1::GroupWork> groups;
  groups.Swap(plan_.mutable_groups());
  plan_ = v1::StepPlan();
  groups.Clear();
  groups.Swap(plan_.mutable_groups());
  plan_.set_epoch(header.epoch);
  plan_.set_step(header.step);
  plan_.set_placement_version(header.placement_version);
  plan_.set_num_drafts(header.num_drafts);
  for (int32_t group = 0; group < header.num_groups; ++group) plan_.add_groups();
}

void StepBuilder::Start(const Request& request) {
  v1::SequenceStart* start = plan_.add_started();
  start->set_sequence_id(request.id);
  start->set_group(request.group);
  start->set_prompt_length(request.prompt_length);
  *start->mutable_sampling() = request.sampling;
  start->set_num_cached(request.num_computed);
  if (request.grammar != nullptr) *start->mutable_grammar() = *request.grammar;
  start->mutable_stop_tokens()->Add(request.stop_token_ids.begin(), request.stop_token_ids.end());
  start->set_max_length(request.prompt_length + request.max_generated);
  start->set_drafts(request.is_drafted);
  const bool has_history = tells_history_ && request.is_drafted;
  if (request.num_computed > 0 && (has_history || LooksBack(request))) {
    start->mutable_cached_tokens()->Add(request.tokens.begin(),
                                        request.tokens.begin() + request.num_computed);
  }
}

void StepBuilder::AddWork(const Request& request, int32_t count, int32_t num_drafts,
                          const NewBlocks& new_blocks) {
  SY_CHECK(count > 0 && count <= request.num_remaining())
      << "request " << request.id << ", " << count << " tokens";
  ++num_works_;
  v1::SequenceWork* work = plan_.mutable_groups(request.group)->add_sequences();
  work->set_sequence_id(request.id);
  work->set_begin_position(request.num_computed);
  if (request.goes_on()) {
    work->set_use_last_sampled(true);
    work->set_max_drafts(num_drafts);
  } else {
    const auto begin = request.tokens.begin() + request.num_computed;
    work->mutable_tokens()->Add(begin, begin + count);
  }
  work->mutable_new_blocks()->Add(new_blocks.all.begin(), new_blocks.all.end());
  if (!new_blocks.windowed.empty()) {
    work->mutable_new_window_blocks()->Add(new_blocks.windowed.begin(), new_blocks.windowed.end());
  }
  const int32_t end = request.num_computed + count;
  if (end < request.num_known()) work->set_next_token(request.tokens[end]);
  if (count == request.num_remaining()) {
    work->set_sample(true);
    ++num_samples_;
  }
}

}  // namespace switchyard::core
