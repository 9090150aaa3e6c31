#include "coordinator/gateway/openai_logprobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

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
  const Json logprobs = CompletionLogprobs(*tokenizer_, tokens, /*skip_special=*/true, &offset);
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
  const Json logprobs = CompletionLogprobs(*tokenizer_, tokens, /*skip_special=*/true, &offset);
  EXPECT_EQ(logprobs["top_logprobs"],
            Json::array({{{"b", -1}, {"a", -4}}, {{"b", -1}}, {{"a", -5}}}));
}

}  // namespace
}  // namespace switchyard::gateway
