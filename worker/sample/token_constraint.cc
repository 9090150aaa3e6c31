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
    : vocab_size_(vocab_size),
      thoughts_begin_token_(params.thoughts_begin_token()),
      thoughts_end_token_(params.thoughts_end_token()),
      max_thought_tokens_(params.max_thought_tokens()),
      grammar_(std::move(grammar)),
      ending_tokens_(params.ending_tokens().begin(), params.ending_tokens().end()) {
  if (!params.has_thoughts_end_token()) return;
  place_ = params.has_thoughts_begin_token() ? Place::kBefore : Place::kThoughts;
}

void TokenConstraint::See(int32_t token) {
  if (place_ == Place::kBefore && token == thoughts_begin_token_) {
    place_ = Place::kThoughts;
    return;
  }
  // Without a grammar white space may come before thoughts: whatever comes, they may still begin.
  if (place_ == Place::kBefore && grammar_) place_ = Place::kText;
  if (place_ == Place::kThoughts) {
    ++num_thought_tokens_;
    if (token == thoughts_end_token_) place_ = Place::kText;
  } else if (grammar_) {
    grammar_->AdvanceToken(token);  // an ending token is no part of the text, and refused
  }
}

bool TokenConstraint::binds() const {
  if (place_ == Place::kThoughts) {
    return max_thought_tokens_ > 0 && num_thought_tokens_ >= max_thought_tokens_;
  }
  return grammar_.has_value();
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
    Allow(whole, thoughts_end_token_);
    return whole;
  }
  // The model may have more rows than the tokenizer has tokens: never those.
  std::vector<uint32_t> mask(std::max<int64_t>(grammar_->mask_words(), std::ssize(whole)), 0);
  const bool any = grammar_->FillMask(
      ending_tokens_, std::span(mask).first(static_cast<size_t>(grammar_->mask_words())));
  if (place_ == Place::kBefore) Allow(mask, thoughts_begin_token_);
  if (any) return mask;
  // Where the vocabulary has no token for what the grammar wants, the answer ends.
  for (const int32_t token : ending_tokens_) Allow(mask, token);
  // No token ends it, and something must come.
  for (int32_t token = 0; ending_tokens_.empty() && token < vocab_size_; ++token) {
    Allow(mask, token);
  }
  return mask;
}

std::vector<int32_t> TokenConstraint::Forced(int32_t max_tokens) const {
  if (place_ != Place::kText || !grammar_) return {};
  return grammar_->ForcedTokens(max_tokens);
}

}  // namespace switchyard::worker
