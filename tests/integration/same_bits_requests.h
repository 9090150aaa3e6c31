// What the test of same bits asks: every recorded prompt in five ways, and what each is answered
// when nobody else is there.
#ifndef SWITCHYARD_TESTS_INTEGRATION_SAME_BITS_REQUESTS_H_
#define SWITCHYARD_TESTS_INTEGRATION_SAME_BITS_REQUESTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/text/tokenizer.h"
#include "tests/testing/schedule_runner.h"

namespace switchyard::testing {

enum class Way {
  kGreedy,
  kSeeded,
  kContinued,  // an answer that begins with a part of the recorded one, which is prompt now
  kFormed,     // as JSON of a schema, seeded
  kThinking,   // the same, behind thoughts that are cut short
};
inline constexpr int kNumWays = 5;

// The number of a request, from 0 to SameBitsRequests::size() - 1.
using Ask = int;

class SameBitsRequests {
 public:
  static constexpr int32_t kMaxTokens = 24;
  static constexpr int32_t kMaxFormTokens = 32;
  static constexpr int32_t kEndToken = 1;
  static constexpr int32_t kNumTop = 2;

  SameBitsRequests();

  int size() const { return static_cast<int>(prompts_.size()) * kNumWays; }
  static Way WayOf(Ask ask) { return static_cast<Way>(ask % kNumWays); }
  // Without id and tenant.
  core::NewRequest Make(Ask ask) const;
  // The same as the body of /v1/completions; `more` overrides. REQUIRES: not kThinking, which
  // completions do not do.
  std::string MakeBody(Ask ask, const Json& more = Json::object()) const;
  std::string Name(Ask ask) const;

  const v1::TokenTable& tokens() const { return tokens_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  v1::SamplingParams SamplingOf(Ask ask) const;

  struct Prompt {
    std::string id;
    std::vector<int32_t> tokens;
    std::vector<int32_t> answer;  // as recorded, without the end
  };

  std::vector<Prompt> prompts_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  v1::TokenTable tokens_;
  Json schema_;
  std::shared_ptr<const v1::Grammar> grammar_;
  int32_t thoughts_begin_ = 0;
  int32_t thoughts_end_ = 0;
};

// One request at a time through one worker with one thread, no chunks, no cache, no drafts, no plan
// ahead of a result: what all others are held against. Answers are computed when first asked for.
class AnswersAlone {
 public:
  explicit AnswersAlone(const SameBitsRequests& requests) : requests_(requests) {}
  const ScheduledAnswer& Get(v1::ComputeMode compute, Ask ask);

 private:
  const SameBitsRequests& requests_;
  std::map<v1::ComputeMode, std::unique_ptr<ScheduleRunner>> runners_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INTEGRATION_SAME_BITS_REQUESTS_H_
