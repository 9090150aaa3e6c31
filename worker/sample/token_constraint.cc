#include "worker/sample/token_constraint.h"

#include <algorithm>
#include <utility>

namespace switchyard::worker {
namespace {

void Allow(std::vector<uint32_t>& mask, int32_t token) { mask[token / 32] |= 1u << (token % 32); }

// Bits [range.first, range.first + range.count) of `whole`, moved to the front; what lies beyond
// its end is 0.
std::vector<uint32_t> Slice(const std::vector<uint32_t>& whole, const TokenRange& range) {
  const auto word = [&](int64_t i) { return i < std::ssize(whole) ? whole[i] : 0u; };
  std::vector<uint32_t> part((range.count + 31) / 32);
  const int64_t first_word = range.first / 32;
  const int shift = static_cast<int>(range.first % 32);
  for (int64_t i = 0; i < std::ssize(part); ++i) {
    const uint64_t pair = word(first_word + i) | uint64_t{word(first_word + i + 1)} << 32;
    part[i] = static_cast<uint32_t>(pair >> shift);
  }
  return part;
}

}  // namespace

TokenConstraint::TokenConstraint(const v1::SamplingParams& params, int32_t vocab_size,
                                 std::optional<GrammarMatcher> grammar)
    : params_(std::make_shared<const v1::SamplingParams>(params)),
      vocab_size_(vocab_size),
      grammar_(std::move(grammar)) {
  if (params.thoughts_end_tokens().empty()) return;
  if (params.thoughts_opened()) {
    place_ = Place::kThoughts;
  } else if (!params.thoughts_begin_tokens().empty()) {
    place_ = Place::kBefore;
  }
}

void TokenConstraint::See(int32_t token) {
  if (place_ == Place::kThoughts) {
    if (!EndsThoughts(token)) {
      ++num_thought_tokens_;
      return;
    }
    const bool recur = params_->thoughts_recur() && !params_->thoughts_begin_tokens().empty();
    place_ = recur ? Place::kBefore : Place::kText;
    // What ends thoughts may be what the next ones begin with.
    if (place_ == Place::kBefore) BeginsThoughts(token);
    return;
  }
  if (place_ == Place::kBefore && BeginsThoughts(token)) return;
  // Without a grammar white space may come before thoughts: whatever comes, they may still begin.
  if (!grammar_) return;
  place_ = Place::kText;
  grammar_->AdvanceToken(token);  // an ending token is no part of the text, and refused
}

bool TokenConstraint::BeginsThoughts(int32_t token) {
  const auto& begin = params_->thoughts_begin_tokens();
  if (token != begin[num_begun_]) num_begun_ = 0;
  if (token == begin[num_begun_]) ++num_begun_;
  if (num_begun_ == 0) return false;
  if (num_begun_ < begin.size()) return true;
  num_begun_ = 0;
  place_ = Place::kThoughts;
  return true;
}

bool TokenConstraint::EndsThoughts(int32_t token) const {
  const auto& end = params_->thoughts_end_tokens();
  return std::find(end.begin(), end.end(), token) != end.end();
}

bool TokenConstraint::is_exhausted() const {
  const int32_t most = params_->max_thought_tokens();
  return most > 0 && num_thought_tokens_ >= most;
}

bool TokenConstraint::binds() const {
  if (place_ == Place::kThoughts) return is_exhausted();
  return grammar_.has_value() || (num_begun_ > 0 && is_exhausted());
}

std::vector<uint32_t> TokenConstraint::Allowed(const TokenRange& range) {
  return Slice(AllowedOfAll(), range);
}

bool TokenConstraint::AllowsOtherThan(std::span<const int32_t> tokens) {
  std::vector<uint32_t> mask = AllowedOfAll();
  for (const int32_t token : tokens) mask[token / 32] &= ~(1u << (token % 32));
  return std::any_of(mask.begin(), mask.end(), [](uint32_t word) { return word != 0; });
}

std::vector<uint32_t> TokenConstraint::AllowedOfAll() {
  std::vector<uint32_t> whole((vocab_size_ + 31) / 32, 0);
  if (place_ == Place::kThoughts) {
    Allow(whole, params_->thoughts_end_tokens(0));
    return whole;
  }
  if (num_begun_ > 0) return AllowedWithinBegin();
  // The model may have more rows than the tokenizer has tokens: never those.
  std::vector<uint32_t> mask(std::max<int64_t>(grammar_->mask_words(), std::ssize(whole)), 0);
  const std::span<const int32_t> ending(params_->ending_tokens().data(),
                                        static_cast<size_t>(params_->ending_tokens_size()));
  const bool any = grammar_->FillMask(
      ending, std::span(mask).first(static_cast<size_t>(grammar_->mask_words())));
  if (place_ == Place::kBefore) Allow(mask, params_->thoughts_begin_tokens(0));
  if (any) return mask;
  // Where the vocabulary has no token for what the grammar wants, the answer ends.
  for (const int32_t token : ending) Allow(mask, token);
  // No token ends it, and something must come.
  for (int32_t token = 0; ending.empty() && token < vocab_size_; ++token) Allow(mask, token);
  return mask;
}

// The tokens before the next one are the first of those that begin thoughts. A text of a grammar
// has no such beginning; without one anything may follow, but for more thoughts than there may be.
std::vector<uint32_t> TokenConstraint::AllowedWithinBegin() const {
  std::vector<uint32_t> mask((vocab_size_ + 31) / 32, 0);
  const int32_t next = params_->thoughts_begin_tokens(num_begun_);
  for (int32_t token = 0; token < vocab_size_; ++token) {
    if ((token == next) == grammar_.has_value()) Allow(mask, token);
  }
  return mask;
}

std::vector<int32_t> TokenConstraint::Forced(int32_t max_tokens) const {
  if (place_ != Place::kText || !grammar_) return {};
  return grammar_->ForcedTokens(max_tokens);
}

}  // namespace switchyard::worker
