// Several answers to one request, and log probabilities, as clients see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";

std::string Chat(std::string_view more) {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}],{}}})", more);
}
std::string Completion(std::string_view more) {
  return fmt::format(R"({{"prompt":"Hello there",{}}})", more);
}

class ChoicesTest : public ApiFixture {
 protected:
  void SetUp() override { StartHttp(); }
};

TEST_F(ChoicesTest, GivesAsManyAnswersAsAskedFor) {
  engine_->SetAnswers({{.tokens = TokensThenEos("one")},
                       {.tokens = TokensThenEos("two words")},
                       {.tokens = TokensThenEos("three")}});
  const Json answer = AskJson(kChat, Chat(R"("n":3,"seed":5)"));
  ASSERT_EQ(answer["choices"].size(), 3u);
  const char* expected[] = {"one", "two words", "three"};
  size_t num_tokens = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer["choices"][i]["index"], i);
    EXPECT_EQ(answer["choices"][i]["message"]["content"], expected[i]);
    EXPECT_EQ(answer["choices"][i]["finish_reason"], "stop");
    num_tokens += TokensThenEos(expected[i]).size();
  }
  EXPECT_EQ(answer["usage"]["completion_tokens"], num_tokens);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 5) << "the prompt counts once";
  EXPECT_EQ(engine_->last_request().sampling.choice(), 2);
  EXPECT_EQ(engine_->last_request().sampling.seed(), 5u);
}

TEST_F(ChoicesTest, StreamsEachAnswerByItsIndex) {
  engine_->SetAnswers({{.tokens = TokensThenEos("one")}, {.tokens = TokensThenEos("two")}});
  std::map<int, std::string> texts;
  std::map<int, int> roles, ends;
  const auto chunks =
      Stream(kChat, Chat(R"("n":2,"stream":true,"stream_options":{"include_usage":true})"));
  for (const Json& chunk : chunks) {
    for (const Json& choice : chunk["choices"]) {
      const int index = choice["index"];
      const Json& delta = choice["delta"];
      roles[index] += delta.contains("role") ? 1 : 0;
      if (delta.contains("content")) texts[index] += delta["content"].get<std::string>();
      ends[index] += choice["finish_reason"].is_null() ? 0 : 1;
    }
  }
  EXPECT_EQ(texts, (std::map<int, std::string>{{0, "one"}, {1, "two"}}));
  EXPECT_EQ(roles, (std::map<int, int>{{0, 1}, {1, 1}}));
  EXPECT_EQ(ends, (std::map<int, int>{{0, 1}, {1, 1}}));
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"],
            TokensThenEos("one").size() + TokensThenEos("two").size());
}

TEST_F(ChoicesTest, BestOfGivesTheLikeliestPerToken) {
  // By sums the first would win, by means the last.
  engine_->SetAnswers({{.tokens = TokensThenEos("x"), .logprob = -0.5},
                       {.tokens = TokensThenEos("y"), .logprob = -0.9f},
                       {.tokens = TokensThenEos("one two three four"), .logprob = -0.4f}});
  const Json answer = AskJson(kCompletions, Completion(R"("n":2,"best_of":3)"));
  ASSERT_EQ(answer["choices"].size(), 2u);
  EXPECT_EQ(answer["choices"][0]["text"], "one two three four");
  EXPECT_EQ(answer["choices"][0]["index"], 0);
  EXPECT_EQ(answer["choices"][1]["text"], "x");
  EXPECT_TRUE(answer["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(AskJson(kCompletions, Completion(R"("n":2,"best_of":1)"), 400)["error"]["param"],
            "best_of");
  const char* streamed = R"("best_of":2,"stream":true)";
  EXPECT_EQ(AskJson(kCompletions, Completion(streamed), 400)["error"]["param"], "best_of");
  EXPECT_EQ(AskJson(kChat, Chat(streamed), 400)["error"]["param"], "best_of");
}

// Of a long prompt the first choice computes what the others find in the cache.
TEST_F(ChoicesTest, ALongPromptIsComputedOnceForAllChoices) {
  model_.context_length = 4096;
  const std::string tokens = [] {
    std::string list = "7";
    for (int i = 1; i < 300; ++i) list += ",7";
    return list;
  }();
  const std::string body = fmt::format(R"({{"prompt":[{}],"n":3,"max_tokens":50}})", tokens);
  engine_->SetAnswers({{.ending = FakeAnswer::Ending::kHang}});
  switchyard::testing::HttpClient waits(http_->port());
  ASSERT_TRUE(waits.Send(switchyard::testing::Post(kCompletions, body)));
  ASSERT_TRUE(engine_->WaitForSubmissions(1));
  waits.Close();
  ASSERT_TRUE(engine_->WaitForCancels(1));
  EXPECT_EQ(engine_->num_submitted(), 1);  // none of the others before a first token
  EXPECT_EQ(engine_->last_request().num_following, 2) << "for which it asks for places";
  const core::RequestId first = engine_->last_request().id;

  engine_->SetAnswers({{.tokens = TokensThenEos("one")},
                       {.tokens = TokensThenEos("two")},
                       {.tokens = TokensThenEos("three")}});
  const Json answer = AskJson(kCompletions, body);
  EXPECT_EQ(engine_->num_submitted(), 4);
  EXPECT_EQ(engine_->last_request().num_following, 0);
  EXPECT_EQ(engine_->last_request().follows, first + 1);
  ASSERT_EQ(answer["choices"].size(), 3u);
  EXPECT_EQ(answer["choices"][0]["text"], "one");
  EXPECT_EQ(answer["choices"][2]["text"], "three");
  engine_->SetAnswers({{.tokens = TokensThenEos("one")},
                       {.ending = FakeAnswer::Ending::kFail, .error = absl::InternalError("x")}});
  AskJson(kCompletions, body, 500);
}

// A place in the queue is kept for each choice, until it comes or none will.
TEST_F(ChoicesTest, NoPlaceStaysKeptForWhatDoesNotCome) {
  engine_->SetAnswers({{.tokens = TokensThenEos("one")}, {.tokens = TokensThenEos("two")}});
  EXPECT_EQ(AskJson(kChat, Chat(R"("n":4)"))["choices"].size(), 4u);
  EXPECT_TRUE(engine_->WaitUntilNoneIsToFollow());
  engine_->SetSubmitStatus(absl::ResourceExhaustedError("full"), /*num_taken_before=*/2);
  AskJson(kChat, Chat(R"("n":4)"), 429);
  EXPECT_EQ(engine_->num_submitted(), 6);
  EXPECT_TRUE(engine_->WaitUntilNoneIsToFollow());
  engine_->SetSubmitStatus(absl::OkStatus());
  engine_->SetAnswers({{.ending = FakeAnswer::Ending::kHang}});
  switchyard::testing::HttpClient leaves(http_->port());
  ASSERT_TRUE(leaves.Send(switchyard::testing::Post(kChat, Chat(R"("n":4)"))));
  ASSERT_TRUE(engine_->WaitForSubmissions(10));
  leaves.Close();
  ASSERT_TRUE(engine_->WaitForCancels(4));
  EXPECT_TRUE(engine_->WaitUntilNoneIsToFollow());
}

TEST_F(ChoicesTest, OneFailureEndsAllAndFreesTheOthers) {
  engine_->SetAnswers(
      {{.tokens = Tokens("one"), .ending = FakeAnswer::Ending::kHang},
       {.tokens = {}, .ending = FakeAnswer::Ending::kFail, .error = absl::UnavailableError("gone")},
       {.tokens = Tokens("three"), .ending = FakeAnswer::Ending::kHang}});
  const Json error = AskJson(kChat, Chat(R"("n":3)"), 503);
  EXPECT_THAT(error["error"]["message"].get<std::string>(), ::testing::HasSubstr("gone"));
  EXPECT_TRUE(engine_->WaitForCancels(2));
}

TEST_F(ChoicesTest, ChatLogprobsAreOfTheAnswersTokens) {
  engine_->SetAnswer({.tokens = TokensThenEos("Hi you"), .logprob = -0.25});
  const Json answer = AskJson(kChat, Chat(R"("logprobs":true,"top_logprobs":2)"));
  const Json& content = answer["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), Tokens("Hi you").size()) << "the end token is no part of the text";
  std::string text;
  for (const Json& entry : content) {
    text += entry["token"].get<std::string>();
    EXPECT_EQ(entry["logprob"], -0.25);
    EXPECT_EQ(entry["bytes"].size(), entry["token"].get<std::string>().size());
    ASSERT_EQ(entry["top_logprobs"].size(), 2u);
    EXPECT_EQ(entry["top_logprobs"][1]["logprob"], -0.5);
  }
  EXPECT_EQ(text, "Hi you");
  EXPECT_EQ(engine_->last_request().sampling.top_logprobs(), 2);

  size_t num_streamed = 0;
  for (const Json& chunk : Stream(kChat, Chat(R"("logprobs":true,"stream":true)"))) {
    const Json& logprobs = chunk["choices"][0]["logprobs"];
    if (!logprobs.is_null()) num_streamed += logprobs["content"].size();
  }
  EXPECT_EQ(num_streamed, content.size());
  EXPECT_EQ(AskJson(kChat, Chat(R"("top_logprobs":2)"), 400)["error"]["param"], "top_logprobs");
  EXPECT_EQ(AskJson(kChat, Chat(R"("logprobs":true,"top_logprobs":21)"), 400)["error"]["param"],
            "top_logprobs");
}

TEST_F(ChoicesTest, CompletionLogprobsSayWhereEachTokenStands) {
  engine_->SetAnswer({.tokens = TokensThenEos("Grüße dir"), .logprob = -0.25});
  const Json answer = AskJson(kCompletions, Completion(R"("logprobs":1)"));
  const Json& logprobs = answer["choices"][0]["logprobs"];
  const size_t count = Tokens("Grüße dir").size();
  ASSERT_EQ(logprobs["tokens"].size(), count);
  EXPECT_EQ(logprobs["token_logprobs"].size(), count);
  EXPECT_EQ(logprobs["top_logprobs"][0].size(), 2u) << "the likeliest, and the answer's own";
  EXPECT_EQ(logprobs["text_offset"][0], 0);
  EXPECT_EQ(AskJson(kCompletions, Completion(R"("logprobs":true)"), 400)["error"]["param"],
            "logprobs");
}

TEST_F(ChoicesTest, AnEchoComesFirstWithItsLogprobs) {
  engine_->SetAnswer({.tokens = TokensThenEos(" and bye")});
  const Json answer = AskJson(kCompletions, Completion(R"("echo":true,"logprobs":0)"));
  EXPECT_EQ(answer["choices"][0]["text"], "Hello there and bye");
  const core::NewRequest request = engine_->last_request();
  EXPECT_EQ(request.sampling.prompt_logprobs(), 0);
  const size_t num_prompt = request.prompt_tokens.size();
  const Json& logprobs = answer["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), num_prompt + Tokens(" and bye").size());
  EXPECT_TRUE(logprobs["token_logprobs"][0].is_null());
  EXPECT_EQ(logprobs["token_logprobs"][1], -1);
  EXPECT_EQ(logprobs["token_logprobs"][num_prompt - 1], -float(num_prompt - 1));

  std::string streamed;
  for (const Json& chunk : Stream(kCompletions, Completion(R"("echo":true,"stream":true)"))) {
    streamed += chunk["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(streamed, "Hello there and bye");
  EXPECT_FALSE(engine_->last_request().sampling.has_prompt_logprobs());
}

TEST_F(ChoicesTest, PromptLogprobsAreGivenOnce) {
  engine_->SetAnswer({.tokens = TokensThenEos("x y z")});
  const Json answer = AskJson(kChat, Chat(R"("prompt_logprobs":1)"));
  EXPECT_FALSE(answer["choices"][0].contains("prompt_logprobs")) << "a chat has one prompt";
  const Json& prompt = answer["prompt_logprobs"];
  ASSERT_EQ(prompt.size(), 5u);
  EXPECT_TRUE(prompt[0].is_null());
  ASSERT_EQ(prompt[4].size(), 2u) << "the token itself and the likeliest";
  EXPECT_TRUE(prompt[4].items().begin().value()["rank"].is_null()) << "it is none of them";
  EXPECT_EQ(prompt[4]["0"]["rank"], 1);
  int num_chunks = 0;
  for (const Json& chunk : Stream(kChat, Chat(R"("prompt_logprobs":0,"stream":true)"))) {
    num_chunks += chunk.contains("prompt_logprobs") ? 1 : 0;
  }
  EXPECT_EQ(num_chunks, 1);
}

// Each has as many of the likeliest as it asks for.
TEST_F(ChoicesTest, AnEchoAndPromptLogprobsShareNoNumber) {
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  for (const auto& [of_echo, of_prompt] : {std::pair(1, 5), std::pair(5, 1)}) {
    const Json answer = AskJson(
        kCompletions, Completion(fmt::format(R"("echo":true,"logprobs":{},"prompt_logprobs":{})",
                                             of_echo, of_prompt)));
    EXPECT_EQ(engine_->last_request().sampling.prompt_logprobs(), 5);
    const Json& choice = answer["choices"][0];
    EXPECT_EQ(choice["logprobs"]["top_logprobs"][1].size(), of_echo + 1u) << "and the token itself";
    EXPECT_EQ(choice["prompt_logprobs"][1].size(), of_prompt + 1u);
  }
}

// As who scores a text asks: nothing is to be written.
TEST_F(ChoicesTest, NoTokensAtAllScoreThePrompt) {
  engine_->SetAnswer({.tokens = TokensThenEos("x y z")});
  const char* more = R"("echo":true,"max_tokens":0,"logprobs":1)";
  const Json answer = AskJson(kCompletions, Completion(more));
  const Json& choice = answer["choices"][0];
  const size_t num_prompt = engine_->last_request().prompt_tokens.size();
  EXPECT_EQ(choice["text"], "Hello there");
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["logprobs"]["tokens"].size(), num_prompt);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 0);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], num_prompt);
  const auto chunks = Stream(kCompletions, Completion(std::string(more) + R"(,"stream":true)"));
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0]["choices"][0]["text"], "Hello there");
  EXPECT_EQ(chunks[1]["choices"][0]["finish_reason"], "length");
  for (const auto& [path, body] :
       {std::pair(kCompletions, Completion(R"("max_tokens":0)")),
        std::pair(kCompletions, Completion(R"("max_tokens":-1,"echo":true)")),
        std::pair(kChat, Chat(R"("max_tokens":0,"echo":true)"))}) {
    EXPECT_EQ(AskJson(path, body, 400)["error"]["param"], "max_tokens") << body;
  }
}

TEST_F(ChoicesTest, OffsetsCountTheTextThatSpecialTokensHave) {
  SetText("<｜User｜>Hi");
  const auto offsets = [&](const char* more) {
    const Json choice = AskJson(kCompletions, Completion(more))["choices"][0];
    const Json& logprobs = choice["logprobs"];
    const Json& last = logprobs["text_offset"].back();
    const std::string text = choice["text"];
    EXPECT_TRUE(text.ends_with("Hi")) << text;
    return std::pair(last.get<int>(), text);
  };
  EXPECT_EQ(offsets(R"("logprobs":0)"), std::pair(1, std::string("Hi")));
  EXPECT_EQ(offsets(R"("logprobs":0,"skip_special_tokens":false)"),
            std::pair(9, std::string("<｜User｜>Hi")));
  // The start token that was added to the text is text, too.
  const auto [last, text] = offsets(R"("logprobs":0,"skip_special_tokens":false,"echo":true)");
  const std::string echo =
      model_.tokenizer->Decode(engine_->last_request().prompt_tokens, /*skip_special=*/false);
  EXPECT_EQ(text, echo + "<｜User｜>Hi");
  EXPECT_NE(echo, "Hello there");
  const auto characters = std::count_if(text.begin(), text.end(),
                                        [](unsigned char byte) { return (byte & 0xc0) != 0x80; });
  EXPECT_EQ(last, characters - 1);
}

// As vLLM has it: unless it is special, whose text is never part of an answer's end.
TEST_F(ChoicesTest, AStopTokensTextIsPartOfTheAnswerWhereThatIsAsked) {
  const std::vector<int32_t> shown = Tokens("one two");
  const int32_t stop = shown.back();
  const std::string before =
      model_.tokenizer->Decode(std::span(shown).first(shown.size() - 1), false);
  engine_->SetAnswer({.tokens = Tokens("one two three")});
  const auto text = [&](const char* more) {
    const Json answer =
        AskJson(kCompletions,
                Completion(fmt::format(R"("stop_token_ids":[{}],"logprobs":0{})", stop, more)));
    const Json& choice = answer["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "stop");
    return std::pair(choice["text"].get<std::string>(), choice["logprobs"]["tokens"].size());
  };
  EXPECT_EQ(text(""), std::pair(before, shown.size() - 1));
  EXPECT_EQ(text(R"(,"include_stop_str_in_output":true)"),
            std::pair(std::string("one two"), shown.size()));
  engine_->SetAnswer({.tokens = TokensThenEos("one")});
  EXPECT_EQ(text(R"(,"include_stop_str_in_output":true)").first, "one") << "the end is special";
}

}  // namespace
}  // namespace switchyard::gateway
