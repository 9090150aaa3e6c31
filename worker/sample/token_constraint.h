// What an answer may say next, beside what is likely: thoughts first, of a limited length and never
// the end where a text has yet to come, then a text that a grammar describes.
#ifndef SWITCHYARD_WORKER_SAMPLE_TOKEN_CONSTRAINT_H_
#define SWITCHYARD_WORKER_SAMPLE_TOKEN_CONSTRAINT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "proto/step.pb.h"
#include "worker/sample/grammar_matcher.h"

namespace switchyard::worker {

// A range of the vocabulary: what one rank has of it.
struct TokenRange {
  int64_t first = 0;
  int64_t count = 0;
};

// A value, as GrammarMatcher is. Thread: the step's.
class TokenConstraint {
 public:
  // The parameters' tokens are in the vocabulary.
  TokenConstraint(const v1::SamplingParams& params, int32_t vocab_size,
                  std::optional<GrammarMatcher> grammar);

  // The answer's next token.
  void See(int32_t token);

  // Whether there are tokens that may not come next.
  bool binds() const;
  // A bit for each token of `range` that may come next, bit i % 32 of word i / 32 for the i-th.
  // REQUIRES: binds().
  std::vector<uint32_t> Allowed(const TokenRange& range);
  // Whether any token may come next beside these. REQUIRES: binds(); the tokens are in the
  // vocabulary.
  bool AllowsOtherThan(std::span<const int32_t> tokens);
  // Whether the answer may not end here, for the text that the grammar describes has not begun.
  bool awaits_text() const { return place_ == Place::kThoughts && grammar_.has_value(); }
  // The next tokens, as far as there is no choice about their text: see GrammarMatcher.
  std::vector<int32_t> Forced(int32_t max_tokens) const;

 private:
  enum class Place { kBefore, kThoughts, kText };  // kBefore: thoughts may begin, or the text

  // Whether the token is one of those that begin thoughts; the last of them does.
  bool BeginsThoughts(int32_t token);
  bool EndsThoughts(int32_t token) const;
  // There may be no more thoughts.
  bool is_exhausted() const;
  // As Allowed, of the whole vocabulary. Never empty.
  std::vector<uint32_t> AllowedOfAll();
  std::vector<uint32_t> AllowedWithinBegin() const;

  std::shared_ptr<const v1::SamplingParams> params_;  // copies share them
  int32_t vocab_size_;
  Place place_ = Place::kText;
  int num_begun_ = 0;  // of the tokens that begin thoughts, those that have come just now
  int32_t num_thought_tokens_ = 0;
  std::optional<GrammarMatcher> grammar_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_TOKEN_CONSTRAINT_H_
