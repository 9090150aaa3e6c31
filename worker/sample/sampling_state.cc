#include "worker/sample/sampling_state.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"

namespace switchyard::worker {
namespace {

constexpr float kMost = std::numeric_limits<float>::max();
constexpr float kForbidden = -std::numeric_limits<float>::infinity();

absl::Status Wrong(std::string_view field) {
  return absl::InternalError(fmt::format("sampling parameters: {} has no meaning", field));
}

absl::Status CheckToken(int32_t token, int32_t vocab_size, std::string_view field) {
  if (token >= 0 && token < vocab_size) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("sampling parameters: {}: token {} is not in the "
                  "vocabulary of {}",
                  field, token, vocab_size));
}

// Whose log probabilities are reported.
bool IsNumberOfTokens(int32_t number) {
  return number == SamplingState::kFull || (number >= 0 && number <= SamplingState::kMaxTop);
}

absl::Status CheckNumbers(const v1::SamplingParams& params) {
  if (!(params.temperature() >= 0) || !std::isfinite(params.temperature())) {
    return Wrong("temperature");
  }
  const bool draws = params.temperature() > 0;
  if (draws && !(params.top_p() > 0 && params.top_p() <= 1)) return Wrong("top_p");
  if (params.top_k() < 0) return Wrong("top_k");
  if (!(params.min_p() >= 0 && params.min_p() <= 1)) return Wrong("min_p");
  if (!(params.typical_p() >= 0 && params.typical_p() <= 1)) return Wrong("typical_p");
  if (!std::isfinite(params.presence_penalty())) return Wrong("presence_penalty");
  if (!std::isfinite(params.frequency_penalty())) return Wrong("frequency_penalty");
  if (!(params.repetition_penalty() >= 0) || !std::isfinite(params.repetition_penalty())) {
    return Wrong("repetition_penalty");
  }
  if (!IsNumberOfTokens(params.top_logprobs())) return Wrong("top_logprobs");
  if (!IsNumberOfTokens(params.prompt_logprobs())) return Wrong("prompt_logprobs");
  return absl::OkStatus();
}

bool Repeats(const v1::SamplingParams& params) {
  return params.repetition_penalty() != 0 && params.repetition_penalty() != 1;
}

}  // namespace

SamplingState::SamplingState() : params_(std::make_shared<const v1::SamplingParams>()) {}

absl::StatusOr<SamplingState> SamplingState::Create(const v1::SamplingParams& params,
                                                    int32_t prompt_length, int32_t vocab_size) {
  SY_RETURN_IF_ERROR(CheckNumbers(params));
  for (const v1::LogitBias& bias : params.logit_bias()) {
    SY_RETURN_IF_ERROR(CheckToken(bias.token(), vocab_size, "logit_bias"));
    if (!std::isfinite(bias.bias())) return Wrong("logit_bias");
  }
  for (const int32_t token : params.ending_tokens()) {
    SY_RETURN_IF_ERROR(CheckToken(token, vocab_size, "ending_tokens"));
  }
  for (const int32_t token : params.thoughts_end_tokens()) {
    SY_RETURN_IF_ERROR(CheckToken(token, vocab_size, "thoughts_end_tokens"));
  }
  for (const int32_t token : params.thoughts_begin_tokens()) {
    SY_RETURN_IF_ERROR(CheckToken(token, vocab_size, "thoughts_begin_tokens"));
  }
  if (params.max_thought_tokens() < 0) return Wrong("max_thought_tokens");
  SamplingState state;
  for (const v1::TokenSequence& word : params.bad_words()) {
    if (word.tokens().empty()) return Wrong("bad_words");
    for (const int32_t token : word.tokens()) {
      SY_RETURN_IF_ERROR(CheckToken(token, vocab_size, "bad_words"));
    }
    state.tail_length_ = std::max<size_t>(state.tail_length_, word.tokens_size() - 1);
  }
  state.params_ = std::make_shared<const v1::SamplingParams>(params);
  state.prompt_length_ = prompt_length;
  state.vocab_size_ = vocab_size;
  state.counts_tokens_ =
      params.presence_penalty() != 0 || params.frequency_penalty() != 0 || Repeats(params);
  std::vector<int32_t> biased;
  for (const v1::LogitBias& bias : params.logit_bias()) biased.push_back(bias.token());
  state.AddChanges(std::move(biased));
  for (const v1::LogitBias& bias : params.logit_bias()) {
    Change& change = state.changes_[state.PlaceOf(bias.token())];
    change.logit_bias += bias.bias();
    change.bias = state.BiasOf(change);
  }
  return state;
}

void SamplingState::See(int32_t position, std::span<const int32_t> tokens) {
  const int32_t end = position + static_cast<int32_t>(tokens.size());
  if (!looks_back()) {
    num_seen_ = std::max(num_seen_, end);
    return;
  }
  SY_CHECK_LE(position, num_seen_);
  if (end <= num_seen_) return;
  tokens = tokens.subspan(static_cast<size_t>(num_seen_ - position));
  const size_t num_prompt =
      std::min<size_t>(static_cast<size_t>(std::max(0, prompt_length_ - num_seen_)), tokens.size());
  if (counts_tokens_) {
    // What the prompt has matters to a repetition penalty alone.
    if (Repeats(*params_)) Count(tokens.first(num_prompt), /*in_answer=*/false);
    Count(tokens.subspan(num_prompt), /*in_answer=*/true);
  }
  num_seen_ = end;
  for (const int32_t token : tokens.subspan(num_prompt)) {
    if (constraint_) constraint_->See(token);
    if (tail_length_ == 0) continue;
    if (tail_.size() == tail_length_) tail_.erase(tail_.begin());
    tail_.push_back(token);
  }
}

void SamplingState::Count(std::span<const int32_t> tokens, bool in_answer) {
  if (tokens.empty()) return;
  Allow();
  AddChanges({tokens.begin(), tokens.end()});
  for (const int32_t token : tokens) {
    Change& change = changes_[PlaceOf(token)];
    if (Repeats(*params_)) change.repetition = params_->repetition_penalty();
    change.num_answered += in_answer ? 1 : 0;
    change.bias = BiasOf(change);
  }
}

size_t SamplingState::PlaceOf(int32_t token) const {
  const auto end = changes_.begin() + static_cast<std::ptrdiff_t>(num_kept_);
  const auto place =
      std::lower_bound(changes_.begin(), end, token,
                       [](const Change& change, int32_t wanted) { return change.token < wanted; });
  return place == end || place->token == token ? static_cast<size_t>(place - changes_.begin())
                                               : num_kept_;
}

// REQUIRES: nothing is forbidden just now.
void SamplingState::AddChanges(std::vector<int32_t> tokens) {
  std::erase_if(tokens, [&](int32_t token) { return PlaceOf(token) < num_kept_; });
  if (tokens.empty()) return;
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  for (const int32_t token : tokens) changes_.push_back({.token = token});
  std::inplace_merge(changes_.begin(), changes_.begin() + static_cast<std::ptrdiff_t>(num_kept_),
                     changes_.end(),
                     [](const Change& a, const Change& b) { return a.token < b.token; });
  num_kept_ = changes_.size();
}

float SamplingState::BiasOf(const Change& change) const {
  float bias = 0;
  if (change.num_answered > 0) {
    bias -= params_->presence_penalty() +
            params_->frequency_penalty() * static_cast<float>(change.num_answered);
  }
  return std::clamp(bias + change.logit_bias, -kMost, kMost);
}

bool SamplingState::EndsWith(std::span<const int32_t> tokens) const {
  return tokens.size() <= tail_.size() &&
         std::equal(tokens.begin(), tokens.end(), tail_.end() - std::ssize(tokens));
}

std::span<const SamplingState::Change> SamplingState::Changes() {
  Allow();
  Forbid();
  return changes_;
}

void SamplingState::Forbid() {
  for (const int32_t token : Forbidden()) {
    const size_t place = PlaceOf(token);
    if (place < num_kept_) {
      forbidden_.push_back(place);
      changes_[place].bias = kForbidden;
    } else {
      changes_.push_back({.token = token, .bias = kForbidden});
    }
  }
}

void SamplingState::Allow() {
  changes_.resize(num_kept_);
  for (const size_t place : forbidden_) changes_[place].bias = BiasOf(changes_[place]);
  forbidden_.clear();
}

// What is no answer yet, and bad words. Where nothing else may come these go: a row of which no
// token is left has none to choose.
std::vector<int32_t> SamplingState::Forbidden() {
  std::vector<int32_t> forbidden;
  const bool awaits_text = constraint_ && constraint_->awaits_text();
  if (num_answered() < params_->min_tokens() || awaits_text) {
    forbidden.assign(params_->ending_tokens().begin(), params_->ending_tokens().end());
  }
  for (const v1::TokenSequence& word : params_->bad_words()) {
    const std::span<const int32_t> tokens(word.tokens().data(), word.tokens_size());
    if (EndsWith(tokens.first(tokens.size() - 1))) forbidden.push_back(tokens.back());
  }
  std::sort(forbidden.begin(), forbidden.end());
  forbidden.erase(std::unique(forbidden.begin(), forbidden.end()), forbidden.end());
  if (!forbidden.empty() && !AllowsOtherThan(forbidden)) forbidden.clear();
  return forbidden;
}

bool SamplingState::AllowsOtherThan(const std::vector<int32_t>& forbidden) {
  if (constraint_ && constraint_->binds()) return constraint_->AllowsOtherThan(forbidden);
  return std::ssize(forbidden) < vocab_size_;
}

}  // namespace switchyard::worker
