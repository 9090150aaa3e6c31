// Likeliest tokens beside a prompt's: what they may take of the coordinator's memory.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "coordinator/gateway/answer_start.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using ::testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";
constexpr int kNumTokens = 4000;

// Some 10 MiB of JSON at 20 beside each token.
std::string Completion(const std::string& more) {
  return fmt::format(R"({{"prompt":[{}],"max_tokens":1,{}}})",
                     fmt::join(std::vector<int>(kNumTokens, 7), ","), more);
}

class PromptLogprobsMemoryTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.context_length = 1 << 13;
    engine_->SetAnswer({.tokens = TokensThenEos("x")});
    StartHttp();
  }

  // Leaves so many MiB to others.
  LogprobLease HoldAllBut(int64_t num_mib) {
    const auto lease =
        context_.logprob_memory.Take(LogprobMemory::kDefaultBytes - num_mib * kMiB, "another", "");
    EXPECT_TRUE(lease.ok());
    return lease.value_or(LogprobLease());
  }
};

TEST_F(PromptLogprobsMemoryTest, WhatCanNeverFitIsRefused) {
  for (const char* asked : {R"("n":128,"prompt_logprobs":20)",
                            R"("n":64,"prompt_logprobs":20,"echo":true,"logprobs":20)"}) {
    const Json error = AskJson(kCompletions, Completion(asked), 400)["error"];
    EXPECT_EQ(error["param"], "prompt_logprobs");
    EXPECT_THAT(error["message"].get<std::string>(),
                HasSubstr("so many log probabilities would take 1309 MiB, and the server has 1024 "
                          "MiB for them (--logprob-memory)"));
  }
  EXPECT_EQ(AskJson(kCompletions, Completion(R"("n":128,"echo":true,"logprobs":20)"),
                    400)["error"]["param"],
            "logprobs");
  EXPECT_EQ(engine_->num_submitted(), 0);
}

TEST_F(PromptLogprobsMemoryTest, ForWhatOthersHaveOneWaits) {
  const std::string few = Completion(R"("prompt_logprobs":7)");  // within what any answer may take
  const std::string many = Completion(R"("prompt_logprobs":20)");
  {
    const LogprobLease others = HoldAllBut(3);
    AskJson(kCompletions, few);
    const Json error = AskJson(kCompletions, many, 429)["error"];
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("try again later"));
  }
  EXPECT_EQ(engine_->num_submitted(), 1);
  const LogprobLease others = HoldAllBut(8);
  const Json answer = AskJson(kCompletions, many);
  EXPECT_EQ(answer["choices"][0]["prompt_logprobs"].size(), size_t{kNumTokens});
}

TEST_F(PromptLogprobsMemoryTest, AChatsPromptIsComputedAndCountedOnce) {
  std::string text;
  for (int i = 0; i < kNumTokens / 2; ++i) text += "Hi ";
  LogprobLease others = HoldAllBut(16);
  engine_->SetAnswers({{.tokens = TokensThenEos("x"), .logprob = -3},
                       {.tokens = TokensThenEos("y"), .logprob = -2},
                       {.tokens = TokensThenEos("z"), .logprob = -1}});
  for (const char* several : {R"("n":3)", R"("best_of":3)"}) {
    const Json answer = AskJson(
        kChat, fmt::format(R"({{"messages":[{{"role":"user","content":"{}"}}],"max_tokens":1,)"
                           R"("prompt_logprobs":20,{}}})",
                           text, several));
    const std::vector<core::NewRequest> requests = engine_->requests();
    const core::NewRequest& first = requests[requests.size() - 3];
    ASSERT_GT(first.prompt_tokens.size(), size_t{kNumTokens});
    EXPECT_EQ(first.sampling.prompt_logprobs(), 20);
    for (size_t i = requests.size() - 2; i < requests.size(); ++i) {
      EXPECT_FALSE(requests[i].sampling.has_prompt_logprobs());
    }
    EXPECT_EQ(answer["prompt_logprobs"].size(), first.prompt_tokens.size());
    EXPECT_EQ(answer["prompt_logprobs"][1].size(), 21u);
    others = LogprobLease();
  }
}

}  // namespace
}  // namespace switchyard::gateway
