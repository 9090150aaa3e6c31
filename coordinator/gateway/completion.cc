#include "coordinator/gateway/completion.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "coordinator/gateway/field_names.h"

namespace switchyard::gateway {
namespace {

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Pieces whose content stands before their calls, in the answer's order: one at least.
std::vector<text::AnswerPiece> InOrder(text::AnswerPiece piece) {
  std::vector<text::AnswerPiece> pieces(1);
  pieces[0].reasoning = std::move(piece.reasoning);
  size_t done = 0;
  const auto add_text = [&](size_t end) {
    if (end <= done) return;
    if (!pieces.back().calls.empty()) pieces.emplace_back();
    pieces.back().content += piece.content.substr(done, end - done);
    done = end;
  };
  for (text::ToolCall& call : piece.calls) {
    add_text(std::min(call.text_before, piece.content.size()));
    pieces.back().calls.push_back(std::move(call));
  }
  add_text(piece.content.size());
  return pieces;
}

// Whether it can be added to `delta` without standing before what came earlier.
bool Follows(const text::AnswerPiece& piece, const CompletionDelta& delta) {
  if (!piece.reasoning.empty()) return delta.text.empty() && delta.calls.empty();
  return piece.content.empty() || delta.calls.empty();
}

void Append(text::AnswerPiece piece, CompletionDelta* delta) {
  delta->text += piece.content;
  delta->reasoning += piece.reasoning;
  std::move(piece.calls.begin(), piece.calls.end(), std::back_inserter(delta->calls));
}

}  // namespace

Completion::Completion(CompletionContext& context, const CompletionSpec& spec,
                       text::AnswerParser parser, std::shared_ptr<CompletionSink> sink)
    : context_(context),
      is_slow_(spec.is_slow),
      executor_(is_slow_ && context.slow_executor ? *context.slow_executor : *context.executor),
      id_(spec.id != 0 ? spec.id : ++context.last_id),
      num_prompt_tokens_(int32_t(spec.prompt_tokens.size())),
      prompt_field_(spec.prompt_field),
      logprobs_field_(spec.logprobs_field),
      max_tokens_field_(spec.max_tokens_field),
      max_tokens_(spec.max_tokens),
      stop_token_ids_(spec.stop_token_ids),
      is_prompt_only_(spec.is_prompt_only),
      includes_stop_(spec.form.include_stop),
      sink_(std::move(sink)),
      parser_(std::move(parser)),
      arrived_at_(spec.scheduling.arrived.value_or(Clock::now())) {}

absl::StatusOr<std::shared_ptr<Completion>> Completion::Start(
    CompletionContext& context, CompletionSpec spec, std::shared_ptr<CompletionSink> sink) {
  SY_CHECK(!spec.prompt_tokens.empty());
  SY_CHECK_GE(spec.max_tokens, 1);
  SY_ASSIGN_OR_RETURN(text::AnswerParser parser,
                      text::AnswerParser::Create(*context.model->tokenizer, spec.form));
  std::shared_ptr<Completion> completion(
      new Completion(context, spec, std::move(parser), std::move(sink)));
  const auto keys = context.keys != nullptr ? context.keys->keys() : nullptr;
  const double weight = keys != nullptr ? keys->WeightOf(spec.scheduling.tenant) : 1;
  core::NewRequest request{.id = completion->id_,
                           .prompt_tokens = std::move(spec.prompt_tokens),
                           .max_tokens = spec.max_tokens,
                           .sampling = std::move(spec.sampling),
                           .stop_token_ids = std::move(spec.stop_token_ids),
                           .grammar = std::move(spec.grammar),
                           .drafts = spec.scheduling.drafts,
                           .tenant = std::move(spec.scheduling.tenant),
                           .weight = weight,
                           .priority = spec.scheduling.priority,
                           .cache_salt = std::move(spec.scheduling.cache_salt),
                           .timeout = spec.scheduling.timeout,
                           .arrived = spec.scheduling.arrived,
                           .num_following = spec.num_following,
                           .follows = spec.follows};
  SY_RETURN_IF_ERROR(context.engine->Submit(std::move(request), completion));
  return completion;
}

void Completion::Cancel() {
  {
    std::lock_guard lock(mutex_);
    if (cancelled_) return;
    cancelled_ = true;
  }
  Schedule();
  context_.engine->Cancel(id_);
}

void Completion::OnAdmitted() {
  {
    std::lock_guard lock(mutex_);
    admitted_ = true;
  }
  Schedule();
}

void Completion::OnStarted() {
  std::lock_guard lock(mutex_);
  if (!computed_since_) computed_since_ = Clock::now();
}

void Completion::OnPromptDone(int32_t num_cached_tokens) {
  std::lock_guard lock(mutex_);
  num_cached_tokens_ = num_cached_tokens;
}

void Completion::OnPromptToken(const core::PromptTokenOutput& output) {
  std::lock_guard lock(mutex_);
  prompt_inbox_.push_back(output);  // goes along with the first token
}

void Completion::OnToken(const core::TokenOutput& output) {
  {
    std::lock_guard lock(mutex_);
    inbox_.push_back({output, Clock::now()});
  }
  Schedule();
}

void Completion::OnFinish(const core::RequestFinish& finish) {
  {
    std::lock_guard lock(mutex_);
    SY_CHECK(!finished_) << "request " << id_ << " finished twice";
    finished_ = finish;
  }
  Schedule();
}

void Completion::Schedule() {
  {
    std::lock_guard lock(mutex_);
    if (draining_) return;
    draining_ = true;
  }
  executor_.Post([self = shared_from_this()] { self->Drain(); });
}

void Completion::Drain() {
  Batch batch = TakeBatch();
  if (batch.admitted) ObserveAdmission();
  if (batch.cancelled && sink_) {
    ObserveEnd(RequestEnding::kCancelled);
    sink_ = nullptr;
  }
  if (sink_ && batch.admitted) sink_->OnAdmitted(shared_from_this());
  if (sink_) Process(std::move(batch.prompt), std::move(batch.arrivals));
  if (sink_ && batch.finish) FinishAnswer(*batch.finish);
  {
    std::lock_guard lock(mutex_);
    draining_ = admitted_ || !inbox_.empty() || (sink_ && (finished_ || cancelled_));
    if (!draining_) return;
  }
  executor_.Post([self = shared_from_this()] { self->Drain(); });
}

Completion::Batch Completion::TakeBatch() {
  std::lock_guard lock(mutex_);
  Batch batch = {.admitted = std::exchange(admitted_, false), .cancelled = cancelled_};
  if (is_slow_ && inbox_.size() > 1 && sink_ && !cancelled_) {
    batch.arrivals.push_back(std::move(inbox_.front()));
    inbox_.pop_front();
  } else {
    batch.arrivals.swap(inbox_);
    batch.finish = finished_;
  }
  if (!batch.arrivals.empty()) batch.prompt.swap(prompt_inbox_);
  return batch;
}

void Completion::Process(std::vector<core::PromptTokenOutput> prompt,
                         std::deque<Arrival> arrivals) {
  CompletionDelta delta{.prompt = std::move(prompt)};
  {
    std::lock_guard lock(mutex_);
    delta.num_cached_tokens = num_cached_tokens_;
  }
  const auto add = [&](text::AnswerPiece piece) {
    if (!Follows(piece, delta)) {
      CompletionDelta next{.num_cached_tokens = delta.num_cached_tokens};
      sink_->OnDelta(std::exchange(delta, std::move(next)));
    }
    Append(std::move(piece), &delta);
  };
  for (Arrival& arrival : arrivals) {
    if (is_prompt_only_) return EndWithPrompt(std::move(delta));
    Observe(arrival);
    ++num_completion_tokens_;
    const int32_t token = arrival.output.token;
    const bool ends = EndsAnswer(token) && !IsShown(token);  // the engine's OnFinish follows
    auto pieces = ends ? std::vector<text::AnswerPiece>(1) : InOrder(parser_.Push(token));
    add(std::move(pieces[0]));
    delta.tokens.push_back(std::move(arrival.output));
    delta.last_ends = ends;
    for (size_t i = 1; i < pieces.size(); ++i) add(std::move(pieces[i]));
    if (parser_.ended()) break;
  }
  if (!delta.tokens.empty() || !delta.text.empty()) sink_->OnDelta(std::move(delta));
  if (!parser_.ended()) return;
  context_.engine->Stop(id_);
  End(MakeEnd(core::FinishReason::kStop));
}

void Completion::EndWithPrompt(CompletionDelta delta) {
  sink_->OnDelta(std::move(delta));
  End(MakeEnd(core::FinishReason::kLength));
}

void Completion::FinishAnswer(const core::RequestFinish& finish) {
  if (finish.reason == core::FinishReason::kError) {
    SY_CHECK(!finish.status.ok()) << "request " << id_;
    CompletionEnd end = MakeEnd(finish.reason);
    const FieldName names[] = {{"prompt", prompt_field_},
                               {"max_tokens", max_tokens_field_},
                               {"logprobs", logprobs_field_}};
    end.status = InWordsOf(names, finish.status);
    return End(end);
  }
  for (text::AnswerPiece& piece : InOrder(parser_.Flush())) {
    if (piece.empty()) continue;
    CompletionDelta rest;
    Append(std::move(piece), &rest);
    sink_->OnDelta(std::move(rest));
  }
  End(MakeEnd(parser_.ended() ? core::FinishReason::kStop : finish.reason));
}

CompletionEnd Completion::MakeEnd(core::FinishReason reason) {
  std::lock_guard lock(mutex_);
  return {.reason = reason,
          .num_prompt_tokens = num_prompt_tokens_,
          .num_cached_tokens = num_cached_tokens_,
          .num_completion_tokens = num_completion_tokens_,
          .num_reasoning_tokens = parser_.num_reasoning_tokens(),
          .called_tools = parser_.num_calls() > 0 && !parser_.stopped_by(),
          .stopped_by = parser_.stopped_by()};
}

void Completion::End(const CompletionEnd& end) {
  ObserveEnd(!end.status.ok()                          ? RequestEnding::kError
             : end.reason == core::FinishReason::kStop ? RequestEnding::kStop
                                                       : RequestEnding::kLength);
  std::exchange(sink_, nullptr)->OnEnd(end);
}

void Completion::ObserveEnd(RequestEnding ending) {
  RequestRecord record = {.was_admitted = was_admitted_,
                          .ending = ending,
                          .num_prompt_tokens = num_prompt_tokens_,
                          .num_generated_tokens = num_completion_tokens_,
                          .max_tokens = max_tokens_,
                          .end_s = Seconds(Clock::now() - arrived_at_)};
  {
    std::lock_guard lock(mutex_);
    if (computed_since_) record.started_s = Seconds(*computed_since_ - arrived_at_);
  }
  if (num_completion_tokens_ > 0) {
    record.first_token_s = Seconds(first_token_at_ - arrived_at_);
    record.last_token_s = Seconds(last_token_at_ - arrived_at_);
  }
  context_.metrics->ObserveRequest(record);
}

bool Completion::EndsAnswer(int32_t token) const {
  return std::find(stop_token_ids_.begin(), stop_token_ids_.end(), token) != stop_token_ids_.end();
}

bool Completion::IsShown(int32_t token) const {
  return includes_stop_ && !context_.model->tokenizer->IsSpecial(token);
}

void Completion::ObserveAdmission() {
  was_admitted_ = true;
  context_.metrics->CountPromptTokens(num_prompt_tokens_);
}

void Completion::Observe(const Arrival& arrival) {
  context_.metrics->CountGeneratedTokens(1);
  if (num_completion_tokens_ == 0) {
    first_token_at_ = arrival.at;
    context_.metrics->ObserveFirstToken(Seconds(arrival.at - arrived_at_));
  } else {
    context_.metrics->ObserveInterToken(Seconds(arrival.at - last_token_at_));
  }
  last_token_at_ = arrival.at;
}

}  // namespace switchyard::gateway
