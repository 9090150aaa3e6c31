// What the test of same bits asks: every recorded prompt of a bundled model in five ways, and what
// each is answered when nobody else is there.
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

struct SameBitsModel {
  const char* name;                 // folder of models/
  std::vector<int32_t> end_tokens;  // of its generation_config.json
  bool thinks = false;              // has tokens around thoughts
  bool has_mtp = false;             // and FP8 weights
};
// The first is what tests of one model take.
inline const SameBitsModel kSameBitsModels[] = {
    {.name = "tiny-r1", .end_tokens = {1}, .thinks = true, .has_mtp = true},
    {.name = "tiny-qwen2", .end_tokens = {612, 610}},
    {.name = "tiny-llama", .end_tokens = {989, 996, 997}},
    {.name = "tiny-qwen3-moe", .end_tokens = {866, 864}},
    {.name = "tiny-gemma3", .end_tokens = {1, 15}},
    {.name = "tiny-gpt-oss", .end_tokens = {1063, 1060, 1073}},
};

class SameBitsRequests {
 public:
  static constexpr int32_t kMaxTokens = 24;
  static constexpr int32_t kMaxFormTokens = 32;
  static constexpr int32_t kNumTop = 2;

  explicit SameBitsRequests(const SameBitsModel& model = kSameBitsModels[0]);

  const SameBitsModel& model() const { return model_; }
  std::string folder() const;
  bool IsEnd(int32_t token) const;
  // Whether the token ends the answer, and is not told then.
  bool Ends(Ask ask, int32_t token) const;
  int size() const { return static_cast<int>(prompts_.size()) * kNumWays; }
  static Way WayOf(Ask ask) { return static_cast<Way>(ask % kNumWays); }
  // Without id and tenant. REQUIRES: not kThinking where the model does not think.
  core::NewRequest Make(Ask ask) const;
  // The same as the body of /v1/completions, without what tells of the prompt and with the first
  // choice alone; `more` overrides. REQUIRES: not kThinking, which completions do not do.
  std::string MakeBody(Ask ask, const Json& more = Json::object()) const;
  // The rest of it, as fields of such a body.
  Json MoreOf(Ask ask) const;
  std::string Name(Ask ask) const;

  const v1::TokenTable& tokens() const { return tokens_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  struct Prompt {
    std::string id;
    std::vector<int32_t> tokens;
    std::vector<int32_t> answer;  // as recorded, without the end
  };

  const Prompt& PromptOf(Ask ask) const { return prompts_[static_cast<size_t>(ask / kNumWays)]; }
  v1::SamplingParams SamplingOf(Ask ask) const;
  // Biases, and what may not come: of tokens that the recorded answer has, so that it matters.
  void AddWishes(Ask ask, v1::SamplingParams* sampling) const;
  // A text that is forbidden to the ask; empty: none.
  std::string BadWordOf(Ask ask) const;
  // Tokens that end its answer beside the model's own.
  std::vector<int32_t> StopsOf(Ask ask) const;

  const SameBitsModel& model_;
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
