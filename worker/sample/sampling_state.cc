#include "worker/sample/sampling_state.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
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
  if (params.top_logprobs() < 0 || params.top_logprobs() > SamplingState::kMaxTop) {
    return Wrong("top_logprobs");
  }
  if (params.prompt_logprobs() < 0 || params.prompt_logprobs() > SamplingState::kMaxTop) {
    return Wrong("prompt_logprobs");
  }
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
  if (params.has_thoughts_end_token()) {
    SY_RETURN_IF_ERROR(CheckToken(params.thoughts_end_token(), vocab_size, "thoughts_end_token"));
  }
  if (params.has_thoughts_begin_token()) {
    SY_RETURN_IF_ERROR(
        CheckToken(params.thoughts_begin_token(), vocab_size, "thoughts_begin_token"));
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
  return state;
}

void SamplingState::See(int32_t position, std::span<const int32_t> tokens) {
  const int32_t end = position + static_cast<int32_t>(tokens.size());
  if (!looks_back()) {
    num_seen_ = std::max(num_seen_, end);
    return;
  }
  SY_CHECK_LE(position, num_seen_);
  for (; num_seen_ < end; ++num_seen_) {
    const int32_t token = tokens[num_seen_ - position];
    const bool in_prompt = num_seen_ < prompt_length_;
    if (counts_tokens_) {
      Times& times = times_[token];
      times.in_prompt |= in_prompt;
      times.in_answer += in_prompt ? 0 : 1;
    }
    if (constraint_ && !in_prompt) constraint_->See(token);
    if (tail_length_ == 0 || in_prompt) continue;
    if (tail_.size() == tail_length_) tail_.erase(tail_.begin());
    tail_.push_back(token);
  }
}

SamplingState::Change& SamplingState::ChangeOf(int32_t token) {
  const auto [place, is_new] = place_of_change_.try_emplace(token, changes_.size());
  if (is_new) changes_.push_back({.token = token});
  return changes_[place->second];
}

bool SamplingState::EndsWith(std::span<const int32_t> tokens) const {
  return tokens.size() <= tail_.size() &&
         std::equal(tokens.begin(), tokens.end(), tail_.end() - std::ssize(tokens));
}

std::span<const SamplingState::Change> SamplingState::Changes() {
  changes_.clear();
  place_of_change_.clear();
  for (const auto& [token, times] : times_) {
    Change& change = ChangeOf(token);
    if (Repeats(*params_)) change.repetition = params_->repetition_penalty();
    if (times.in_answer == 0) continue;
    change.bias -= params_->presence_penalty() +
                   params_->frequency_penalty() * static_cast<float>(times.in_answer);
  }
  for (const v1::LogitBias& bias : params_->logit_bias())
    ChangeOf(bias.token()).bias += bias.bias();
  for (Change& change : changes_) change.bias = std::clamp(change.bias, -kMost, kMost);
  for (const int32_t token : Forbidden()) ChangeOf(token).bias = kForbidden;
  return changes_;
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
  if (!forbidden.empty() && !AllowsOtherThan(forbidden)) forbidden.clear();
  return forbidden;
}

bool SamplingState::AllowsOtherThan(const std::vector<int32_t>& forbidden) {
  if (constraint_ && constraint_->binds()) return constraint_->AllowsOtherThan(forbidden);
  if (std::ssize(forbidden) < vocab_size_) return true;
  return std::ssize(std::set<int32_t>(forbidden.begin(), forbidden.end())) < vocab_size_;
}

}  // namespace switchyard::worker
