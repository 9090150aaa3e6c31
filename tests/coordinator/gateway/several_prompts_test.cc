// One text completion for several prompts: each is answered as if it were alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using switchyard::testing::HttpClient;
using switchyard::testing::Post;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kCompletions = "/v1/completions";

std::string Body(std::string_view prompts, std::string_view more = "") {
  return fmt::format(R"({{"prompt":{}{}}})", prompts, more);
}

FakeAnswer Says(std::string_view text, float logprob = -1) {
  return {.tokens = TokensThenEos(text), .logprob = logprob};
}

class SeveralPromptsTest : public ApiFixture {
 protected:
  void SetUp() override { StartHttp(); }

  // The choices' texts, whose numbers must be those of their places.
  static std::vector<std::string> Texts(const Json& answer) {
    std::vector<std::string> texts;
    for (const Json& choice : answer["choices"]) {
      EXPECT_EQ(choice["index"], texts.size());
      texts.push_back(choice["text"].get<std::string>());
    }
    return texts;
  }
  // What was submitted, by `member`.
  template <typename Member>
  std::vector<Member> OfRequests(Member core::NewRequest::*member) const {
    std::vector<Member> values;
    for (const core::NewRequest& request : engine_->requests()) values.push_back(request.*member);
    return values;
  }
};

TEST_F(SeveralPromptsTest, ChoicesStandByPromptAndThenByNumber) {
  engine_->SetAnswersInTurn({Says("one"), Says("two"), Says("three four"), Says("five")});
  const Json answer = AskJson(kCompletions, Body(R"(["Hello","Bye now"])", R"(,"n":2,"seed":5)"));
  EXPECT_THAT(Texts(answer), ElementsAre("one", "two", "three four", "five"));
  const std::vector<int32_t> first =
      model_.tokenizer->Encode("Hello", {.parse_special = true, .add_special_tokens = true})
          .value();
  const std::vector<int32_t> second =
      model_.tokenizer->Encode("Bye now", {.parse_special = true, .add_special_tokens = true})
          .value();
  EXPECT_THAT(OfRequests(&core::NewRequest::prompt_tokens),
              ElementsAre(first, first, second, second));
  EXPECT_EQ(answer["usage"]["prompt_tokens"], first.size() + second.size()) << "each counts once";
  EXPECT_EQ(answer["usage"]["completion_tokens"],
            TokensThenEos("one").size() + TokensThenEos("two").size() +
                TokensThenEos("three four").size() + TokensThenEos("five").size());
  // The draws are those of a request with this prompt alone.
  const std::vector<core::NewRequest> requests = engine_->requests();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(requests[i].sampling.choice(), i % 2);
    EXPECT_EQ(requests[i].sampling.seed(), 5u);
  }
}

// All or none: the first says how many follow.
TEST_F(SeveralPromptsTest, TakeTheirPlacesInTheQueueTogether) {
  AskJson(kCompletions, Body("[[5,6],[7],[8,9]]", R"(,"n":2,"max_tokens":3)"));
  const core::RequestId first = engine_->requests()[0].id;
  EXPECT_THAT(OfRequests(&core::NewRequest::num_following), ElementsAre(5, 0, 0, 0, 0, 0));
  EXPECT_THAT(OfRequests(&core::NewRequest::follows),
              ElementsAre(0, first, first, first, first, first));
  EXPECT_TRUE(engine_->WaitUntilNoneIsToFollow());
  engine_->SetSubmitStatus(absl::ResourceExhaustedError("full"), /*num_taken_before=*/2);
  AskJson(kCompletions, Body("[[5,6],[7],[8,9]]"), 429);
  EXPECT_TRUE(engine_->WaitUntilNoneIsToFollow());
}

// The first choice may end before a second begins: then no place would be kept for that.
TEST_F(SeveralPromptsTest, LongOnesStartTogether) {
  model_.context_length = 4096;
  const Json longs = {std::vector<int>(300, 7), std::vector<int>(300, 8)};
  engine_->SetAnswer({.ending = FakeAnswer::Ending::kHang});
  HttpClient client(http_->port());
  ASSERT_TRUE(client.Send(Post(kCompletions, Body(longs.dump(), R"(,"n":2)"))));
  EXPECT_TRUE(engine_->WaitForSubmissions(4));
}

TEST_F(SeveralPromptsTest, TheBestAreChosenForEachPrompt) {
  engine_->SetAnswersInTurn({Says("a", -0.9f), Says("b", -0.2f), Says("c", -0.5f),  //
                             Says("d", -0.1f), Says("e", -0.3f), Says("f", -0.2f)});
  const Json answer = AskJson(kCompletions, Body("[[5],[6]]", R"(,"n":2,"best_of":3)"));
  EXPECT_THAT(Texts(answer), ElementsAre("b", "c", "d", "f"));
}

TEST_F(SeveralPromptsTest, EachIsEchoedWithItsLogprobs) {
  engine_->SetAnswersInTurn({Says(" one"), Says(" two"), Says(" one"), Says(" two")});
  const std::string prompts = R"(["Hello there","Bye"])";
  const Json answer =
      AskJson(kCompletions, Body(prompts, R"(,"echo":true,"logprobs":0,"prompt_logprobs":0)"));
  EXPECT_THAT(Texts(answer), ElementsAre("Hello there one", "Bye two"));
  const std::vector<core::NewRequest> requests = engine_->requests();
  for (size_t i = 0; i < 2; ++i) {
    const Json& choice = answer["choices"][i];
    const size_t num_prompt = requests[i].prompt_tokens.size();
    const size_t num_answer = Tokens(i == 0 ? " one" : " two").size();
    EXPECT_EQ(choice["logprobs"]["tokens"].size(), num_prompt + num_answer);
    EXPECT_EQ(choice["logprobs"]["token_logprobs"][num_prompt - 1], -float(num_prompt - 1));
    EXPECT_EQ(choice["prompt_logprobs"].size(), num_prompt);
  }
  std::map<int, std::string> streamed;
  for (const Json& chunk : Stream(kCompletions, Body(prompts, R"(,"echo":true,"stream":true)"))) {
    streamed[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(streamed, (std::map<int, std::string>{{0, "Hello there one"}, {1, "Bye two"}}));
}

TEST_F(SeveralPromptsTest, AreStreamedByNumber) {
  engine_->SetAnswersInTurn({Says("one"), Says("two"), Says("three"), Says("four")});
  std::map<int, std::string> texts;
  std::map<int, int> ends;
  const auto chunks = Stream(
      kCompletions,
      Body("[[5,6],[7]]", R"(,"n":2,"stream":true,"stream_options":{"include_usage":true})"));
  for (const Json& chunk : chunks) {
    for (const Json& choice : chunk["choices"]) {
      texts[choice["index"]] += choice["text"].get<std::string>();
      ends[choice["index"]] += choice["finish_reason"].is_null() ? 0 : 1;
    }
  }
  EXPECT_EQ(texts, (std::map<int, std::string>{{0, "one"}, {1, "two"}, {2, "three"}, {3, "four"}}));
  EXPECT_EQ(ends, (std::map<int, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}}));
  EXPECT_EQ(chunks.back()["usage"]["prompt_tokens"], 3);
}

TEST_F(SeveralPromptsTest, AWrongOneIsNamedAndNothingStarts) {
  const std::string too_long = Json(std::vector<int>(64, 5)).dump();
  const auto error = [&](const std::string& prompts, std::string_view more = "") {
    return AskJson(kCompletions, Body(prompts, more), 400)["error"];
  };
  EXPECT_EQ(error(R"(["Hi",""])")["param"], "prompt[1]");
  EXPECT_EQ(error("[[5],[6],[4096]]")["param"], "prompt[2]");
  const Json length = error(fmt::format("[[5],{}]", too_long));
  EXPECT_EQ(length["param"], "prompt[1]");
  EXPECT_EQ(length["code"], "context_length_exceeded");
  EXPECT_EQ(error("[[5,5],[5]]", R"(,"max_tokens":63)")["param"], "max_tokens");
  EXPECT_EQ(error(fmt::format("[{}]", too_long))["param"], "prompt") << "it is the only one";
  EXPECT_EQ(engine_->num_submitted(), 0);
}

TEST_F(SeveralPromptsTest, OneFailureEndsAllAndFreesTheOthers) {
  engine_->SetAnswersInTurn(
      {{.tokens = Tokens("one"), .ending = FakeAnswer::Ending::kHang},
       {.tokens = Tokens("two"), .ending = FakeAnswer::Ending::kHang},
       {.ending = FakeAnswer::Ending::kFail, .error = absl::UnavailableError("gone")}});
  const Json error = AskJson(kCompletions, Body("[[5],[6],[7]]"), 503);
  EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr("gone"));
  EXPECT_TRUE(engine_->WaitForCancels(2));
}

TEST_F(SeveralPromptsTest, OneThatEndsAtAStopTextLeavesTheOthersTheirPlaces) {
  engine_->SetAnswersInTurn(
      {{.tokens = Tokens("one stop"), .ending = FakeAnswer::Ending::kHang}, Says("two")});
  engine_->LetFollowersWait();
  const Json answer = AskJson(kCompletions, Body("[[5],[6]]", R"(,"stop":" stop")"));
  EXPECT_THAT(Texts(answer), ElementsAre("one", "two"));
  EXPECT_EQ(engine_->num_taken_back(), 0);
}

TEST_F(SeveralPromptsTest, AClientThatLeavesFreesAll) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
  HttpClient client(http_->port());
  ASSERT_TRUE(client.Send(Post(kCompletions, Body("[[5],[6],[7]]"))));
  ASSERT_TRUE(engine_->WaitForSubmissions(3));
  client.Close();
  EXPECT_TRUE(engine_->WaitForCancels(3));
}

}  // namespace
}  // namespace switchyard::gateway
