#include "coordinator/gateway/openai_logprobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/json.h"

namespace switchyard::gateway {
namespace {

using ::testing::ElementsAre;

class CompletionLogprobsTest : public ::testing::Test {
 protected:
  int32_t TokenOf(std::string_view bytes) const {
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      if (tokenizer_->DecodeToken(id) == bytes) return id;
    }
    ADD_FAILURE() << "no such token";
    return 0;
  }

  Json Logprobs(const std::vector<core::TokenOutput>& tokens, int64_t* offset) const {
    std::string text;
    AppendCompletionLogprobs(*tokenizer_, tokens, /*skip_special=*/true, offset, &text);
    return ParseJson(text).value();  // refuses one name twice
  }

  const std::unique_ptr<text::Tokenizer> tokenizer_ =
      text::Tokenizer::FromFiles(std::string(SWITCHYARD_SOURCE_DIR) + "/models/tiny-r1").value();
};

TEST_F(CompletionLogprobsTest, HalvesOfACharacterHaveNamesOfTheirOwn) {
  const int32_t first = TokenOf("\xc3"), second = TokenOf("\xa4"), other = TokenOf("\xa5");
  const std::vector<core::TokenOutput> tokens = {
      {.token = first, .logprob = -1, .top = {{first, -1}}},
      {.token = second, .logprob = -2, .top = {{second, -2}, {other, -3}}},
      {.token = TokenOf("a"), .logprob = -4, .top = {{TokenOf("a"), -4}}}};
  int64_t offset = 5;
  const Json logprobs = Logprobs(tokens, &offset);
  EXPECT_THAT(logprobs["tokens"], ElementsAre(R"(bytes:\xc3)", R"(bytes:\xa4)", "a"));
  EXPECT_EQ(logprobs["top_logprobs"][1], Json({{R"(bytes:\xa4)", -2}, {R"(bytes:\xa5)", -3}}));
  EXPECT_THAT(logprobs["text_offset"], ElementsAre(5, 6, 6))
      << "two halves are one character of the text";
  EXPECT_EQ(offset, 7);
}

TEST_F(CompletionLogprobsTest, TheAnswersTokenIsAmongTheLikeliestInAnyCase) {
  const int32_t said = TokenOf("a"), likely = TokenOf("b");
  const std::vector<core::TokenOutput> tokens = {
      {.token = said, .logprob = -4, .top = {{likely, -1}}},
      {.token = likely, .logprob = -1, .top = {{likely, -1}}},
      {.token = said, .logprob = -5}};
  int64_t offset = 0;
  const Json logprobs = Logprobs(tokens, &offset);
  EXPECT_EQ(logprobs["top_logprobs"],
            Json::array({{{"b", -1}, {"a", -4}}, {{"b", -1}}, {{"a", -5}}}));
}

TEST_F(CompletionLogprobsTest, OfAWholeVocabularyTheLikeliestComeFirstAndTiesByTheLowerId) {
  const int32_t a = TokenOf("a"), b = TokenOf("b"), c = TokenOf("c");
  std::vector<float> logprobs(static_cast<size_t>(tokenizer_->vocab_size()) + 2, -30);
  logprobs[c] = -1;
  logprobs[std::max(a, b)] = logprobs[std::min(a, b)] = -2;
  const core::FullLogprobs full = std::make_shared<const std::vector<float>>(logprobs);
  int64_t offset = 0;
  const Json json = Logprobs({{.token = b, .logprob = -2, .full = full}}, &offset);
  const Json& top = json["top_logprobs"][0];
  std::vector<std::string> names;
  for (const auto& [name, logprob] : top.items()) names.push_back(name);
  EXPECT_EQ(names[0], "c");
  EXPECT_EQ(names[1], a < b ? "a" : "b");
  EXPECT_EQ(names[2], a < b ? "b" : "a");
  EXPECT_EQ(top["b"], -2);
  EXPECT_EQ(top[""], -30) << "the rows that have no token share a name";
  EXPECT_GT(top.size(), logprobs.size() / 2);

  std::string text;
  AppendPromptLogprobs(
      *tokenizer_, std::vector<int32_t>{5, b},
      std::vector<core::PromptTokenOutput>{{.position = 1, .logprob = -2, .full = full}},
      core::kFullVocabulary, &text);
  const Json prompt = ParseJson(text).value();
  EXPECT_TRUE(prompt[0].is_null());
  ASSERT_EQ(prompt[1].size(), logprobs.size());
  EXPECT_EQ(prompt[1][std::to_string(c)]["rank"], 1);
  EXPECT_EQ(prompt[1][std::to_string(std::min(a, b))]["rank"], 2);
  EXPECT_EQ(prompt[1][std::to_string(std::max(a, b))]["rank"], 3);
  EXPECT_EQ(prompt[1][std::to_string(c)]["decoded_token"], "c");
  // An echo shows fewer than the prompt's own field asked for.
  const auto echoed = EchoedTokens(
      std::vector<int32_t>{5, b},
      std::vector<core::PromptTokenOutput>{{.position = 1, .logprob = -2, .full = full}}, 2);
  ASSERT_EQ(echoed[1].top.size(), 2u);
  EXPECT_EQ(echoed[1].top[0].token, c);
  EXPECT_EQ(echoed[1].full, nullptr);
}

}  // namespace
}  // namespace switchyard::gateway
