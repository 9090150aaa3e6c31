// What the engine is told of thoughts that a model begins itself: tokens and template of the
// bundled Qwen3.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::Post;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ThoughtsApiTest : public ApiFixture {
 protected:
  void SetUp() override {
    UseModel("tiny-qwen3-moe");
    StartHttp();
  }

  v1::SamplingParams SamplingOf(const char* path, std::string_view body) {
    engine_->SetAnswer({.tokens = {5}});
    const auto answer = Ask(Post(path, body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return engine_->last_request().sampling;
  }
  v1::SamplingParams OfChat(std::string_view more) {
    return SamplingOf("/v1/chat/completions",
                      fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}]{}}})", more));
  }
};

TEST_F(ThoughtsApiTest, AnAnswerMayBeginWithThem) {
  for (const char* more : {R"(,"max_thinking_tokens":3)", R"(,"guided_choice":["yes","no"])"}) {
    const v1::SamplingParams sampling = OfChat(more);
    EXPECT_THAT(sampling.thoughts_begin_tokens(), ElementsAre(model_.reasoning->begin)) << more;
    EXPECT_THAT(sampling.thoughts_end_tokens(), ElementsAre(model_.reasoning->end)) << more;
    EXPECT_FALSE(sampling.thoughts_recur()) << more;
    EXPECT_FALSE(sampling.thoughts_opened()) << more;
  }
  EXPECT_EQ(OfChat(R"(,"max_thinking_tokens":3)").max_thought_tokens(), 3);
  EXPECT_THAT(OfChat("").thoughts_begin_tokens(), IsEmpty());  // nothing binds it
}

// Where the template opens thoughts on demand, a model that was not asked for any may think, too.
TEST_F(ThoughtsApiTest, ThoughtsThatNobodyAskedForAreOfALimitedLengthToo) {
  model_.opens_thoughts = false;
  const v1::SamplingParams sampling = OfChat(R"(,"max_thinking_tokens":3)");
  EXPECT_THAT(sampling.thoughts_begin_tokens(), ElementsAre(model_.reasoning->begin));
  EXPECT_EQ(sampling.max_thought_tokens(), 3);
  const char* form = R"(,"max_thinking_tokens":3,"guided_choice":["yes","no"])";
  EXPECT_THAT(OfChat(form).thoughts_begin_tokens(), IsEmpty()) << "the form binds at once";
}

TEST_F(ThoughtsApiTest, NoEffortSwitchesThemOffUnlessARequestSaysOtherwise) {
  engine_->SetAnswer({.tokens = {5}});
  const auto expect = [&](bool thinks, const char* path, const std::string& more) {
    const auto answer = Ask(Post(
        path, fmt::format(R"({{"max_tokens":4,"messages":[{{"role":"user","content":"Hi"}}],{}}})",
                          more)));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.count("x-switchyard-warning"), 0u) << more;
    const std::string prompt =
        model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
    EXPECT_EQ(!prompt.ends_with("<think>\n\n</think>\n\n"), thinks) << more;
  };
  expect(false, "/v1/chat/completions", R"("reasoning_effort":"none")");
  expect(true, "/v1/chat/completions",
         R"("reasoning_effort":"none","chat_template_kwargs":{"enable_thinking":true})");
  constexpr const char* kMessages = "/v1/messages";
  expect(true, kMessages, R"("output_config":{"effort":"low"})");
  expect(false, kMessages, R"("output_config":{"effort":"none"})");
  expect(true, kMessages, R"("output_config":{"effort":"none"},"thinking":{"type":"enabled"})");
  expect(false, kMessages, R"("output_config":{"effort":"low"},"thinking":{"type":"disabled"})");
}

TEST_F(ThoughtsApiTest, ThePromptMayHaveOpenedThem) {
  const v1::SamplingParams sampling =
      SamplingOf("/v1/completions", R"({"prompt":"<think>\n","max_thinking_tokens":3})");
  EXPECT_TRUE(sampling.thoughts_opened());
  EXPECT_THAT(sampling.thoughts_begin_tokens(), IsEmpty());
  EXPECT_THAT(sampling.thoughts_end_tokens(), ElementsAre(model_.reasoning->end));
  EXPECT_EQ(sampling.max_thought_tokens(), 3);
}

TEST_F(ThoughtsApiTest, NotWhereThePromptHasClosedThemAndNotInATextsCompletion) {
  EXPECT_THAT(OfChat(R"(,"guided_choice":["yes","no"],
                         "chat_template_kwargs":{"enable_thinking":false})")
                  .thoughts_end_tokens(),
              IsEmpty());
  EXPECT_THAT(SamplingOf("/v1/chat/completions",
                         R"({"messages":[{"role":"user","content":"Hi"},
                                          {"role":"assistant","content":"Well,"}],
                              "continue_final_message":true,"guided_choice":["yes","no"]})")
                  .thoughts_end_tokens(),
              IsEmpty());
  EXPECT_THAT(SamplingOf("/v1/completions", R"({"prompt":"Hi","guided_choice":["yes","no"]})")
                  .thoughts_end_tokens(),
              IsEmpty());
}

}  // namespace
}  // namespace switchyard::gateway
