// Log probabilities of the whole vocabulary: who may ask for them, how they are written, and what
// they may take of the coordinator's memory.
#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/gateway/answer_start.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using ::testing::HasSubstr;
using testing::Post;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";
constexpr size_t kVocab = 4096;

std::string Chat(const std::string& more) {
  return R"({"messages":[{"role":"user","content":"Hi"}],)" + more + "}";
}
std::string Completion(const std::string& more) { return R"({"prompt":[0,7,8],)" + more + "}"; }

class FullLogprobsTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.max_logprobs = core::kFullVocabulary;
    engine_->SetAnswer({.tokens = TokensThenEos("one two")});
  }

  // Token i has the log probability -i / 2; all but those of one name stand there.
  void ExpectFull(const Json& top) {
    EXPECT_GT(top.size(), kVocab / 2);
    float before = 0;
    for (const auto& [name, logprob] : top.items()) {
      EXPECT_LE(logprob.get<float>(), before) << name;
      before = logprob;
    }
  }

  // The 400 or 429 that the request is answered with, as "param: message".
  std::string Refusal(const char* path, const std::string& body, int status = 400) {
    const Json error = AskJson(path, body, status)["error"];
    const std::string param = error["param"].is_null() ? "" : error["param"].get<std::string>();
    return param + ": " + error["message"].get<std::string>();
  }
};

TEST_F(FullLogprobsTest, AChatHasThemBesideEachToken) {
  StartHttp();
  const Json answer = AskJson(kChat, Chat(R"("logprobs":true,"top_logprobs":-1)"));
  EXPECT_EQ(engine_->last_request().sampling.top_logprobs(), core::kFullVocabulary);
  const Json& content = answer["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), Tokens("one two").size());
  for (const Json& entry : content) {
    const Json& top = entry["top_logprobs"];
    ASSERT_EQ(top.size(), kVocab);
    for (size_t i = 0; i < kVocab; ++i) EXPECT_EQ(top[i]["logprob"], -0.5 * double(i));
    const std::string_view bytes = model_.tokenizer->DecodeToken(300);
    ASSERT_EQ(top[300]["bytes"].size(), bytes.size());
    EXPECT_EQ(top[300]["bytes"][0], static_cast<unsigned char>(bytes[0]));
  }
}

TEST_F(FullLogprobsTest, ACompletionHasThemByNameAndItsPromptByToken) {
  StartHttp();
  const Json answer =
      AskJson(kCompletions, Completion(R"("logprobs":-1,"prompt_logprobs":-1,"echo":true)"));
  const Json& choice = answer["choices"][0];
  const Json& tops = choice["logprobs"]["top_logprobs"];
  ASSERT_EQ(tops.size(), 3 + Tokens("one two").size());
  EXPECT_TRUE(tops[0].is_null());
  for (size_t i = 1; i < tops.size(); ++i) ExpectFull(tops[i]);
  const Json& prompt = choice["prompt_logprobs"];
  ASSERT_EQ(prompt.size(), 3u);
  EXPECT_TRUE(prompt[0].is_null());
  ASSERT_EQ(prompt[2].size(), kVocab);
  EXPECT_EQ(prompt[2]["8"]["logprob"], -2) << "the prompt's own is what it was told";
  EXPECT_EQ(prompt[2]["8"]["rank"], 9);
  EXPECT_EQ(prompt[2]["4095"]["rank"], 4096);
  EXPECT_EQ(prompt[2]["4095"]["logprob"], -0.5 * 4095);
}

TEST_F(FullLogprobsTest, EachFieldShowsWhatItAsksFor) {
  StartHttp();
  const auto sizes = [&](const char* more) {
    const Json choice = AskJson(kCompletions, Completion(more))["choices"][0];
    return std::pair(choice["logprobs"]["top_logprobs"][1].size(),
                     choice["prompt_logprobs"][1].size());
  };
  const auto [few, all] = sizes(R"("logprobs":2,"prompt_logprobs":-1,"echo":true)");
  EXPECT_EQ(std::pair(few, all), std::pair(size_t{3}, kVocab));
  EXPECT_EQ(engine_->last_request().sampling.top_logprobs(), 2);
  const auto [echo, prompt] = sizes(R"("logprobs":-1,"prompt_logprobs":0,"echo":true)");
  EXPECT_GT(echo, kVocab / 2);
  EXPECT_EQ(prompt, 1u);
  EXPECT_EQ(engine_->last_request().sampling.prompt_logprobs(), core::kFullVocabulary);
}

// More than may pile up of other answers, and no client reads so fast.
TEST_F(FullLogprobsTest, AStreamIsNotCutForThem) {
  StartHttp({.max_write_queue_bytes = 16 << 10});
  engine_->SetAnswer({.tokens = Tokens("one two three four five six seven eight")});
  size_t num_tokens = 0;
  const char* more =
      R"("logprobs":true,"top_logprobs":-1,"prompt_logprobs":-1,"stream":true,"n":2)";
  size_t num_prompts = 0;
  for (const Json& chunk : Stream(kChat, Chat(more))) {
    num_prompts += chunk.contains("prompt_logprobs") ? 1 : 0;
    const Json& logprobs = chunk["choices"][0]["logprobs"];
    if (logprobs.is_null()) continue;
    for (const Json& entry : logprobs["content"]) {
      ++num_tokens;
      EXPECT_EQ(entry["top_logprobs"].size(), kVocab);
    }
  }
  EXPECT_EQ(num_prompts, 1u);
  EXPECT_EQ(num_tokens, 2 * Tokens("one two three four five six seven eight").size());
}

TEST_F(FullLogprobsTest, OthersStreamsAreCutAsBefore) {
  StartHttp({.max_write_queue_bytes = 512});
  engine_->SetAnswer({.tokens = Tokens("one two three four five six seven eight")});
  testing::HttpClient client(http_->port());
  const std::string body = Chat(R"("logprobs":true,"top_logprobs":128,"stream":true)");
  ASSERT_TRUE(client.Send(Post(kChat, body)));
  const auto answer = client.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body.find("[DONE]"), std::string::npos) << "one event is more than may pile up";
}

TEST_F(FullLogprobsTest, TheServerSaysHowManyARequestMayAskFor) {
  StartHttp();
  AskJson(kCompletions, Completion(R"("logprobs":128)"));
  EXPECT_THAT(Refusal(kCompletions, Completion(R"("logprobs":129)")),
              HasSubstr("logprobs: 'logprobs' must be between 0 and 128 tokens, or -1"));
  EXPECT_THAT(Refusal(kCompletions, Completion(R"("logprobs":-2)")), HasSubstr("logprobs: "));
  EXPECT_THAT(Refusal(kChat, Chat(R"("prompt_logprobs":-2)")), HasSubstr("prompt_logprobs: "));
  EXPECT_THAT(Refusal(kChat, Chat(R"("top_logprobs":-1)")), HasSubstr("needs 'logprobs'"));
}

TEST_F(FullLogprobsTest, ByDefaultTwentyAreGiven) {
  model_.max_logprobs = ServedModel().max_logprobs;
  StartHttp();
  const char* why = "must be between 0 and 20 tokens: the server gives no more (--max-logprobs)";
  AskJson(kCompletions, Completion(R"("logprobs":20,"prompt_logprobs":20)"));
  for (const char* number : {"-1", "21"}) {
    EXPECT_EQ(Refusal(kCompletions, Completion(fmt::format(R"("logprobs":{})", number))),
              fmt::format("logprobs: 'logprobs' {}", why));
    EXPECT_EQ(Refusal(kChat, Chat(fmt::format(R"("logprobs":true,"top_logprobs":{})", number))),
              fmt::format("top_logprobs: 'top_logprobs' {}", why));
    EXPECT_EQ(Refusal(kChat, Chat(fmt::format(R"("prompt_logprobs":{})", number))),
              fmt::format("prompt_logprobs: 'prompt_logprobs' {}", why));
  }
  EXPECT_EQ(engine_->num_submitted(), 1);
}

// A token of this vocabulary takes half a MiB: 2,048 tokens take all there is.
TEST_F(FullLogprobsTest, WhatTakesMoreMemoryThanThereIsIsRefused) {
  model_.context_length = 10000;
  StartHttp();
  const std::string refusal =
      Refusal(kCompletions, Completion(R"("logprobs":-1,"max_tokens":2049)"));
  EXPECT_THAT(refusal,
              HasSubstr("logprobs: 'logprobs': so many log probabilities would take 1025 MiB, and "
                        "the server has 1024 MiB for them (--logprob-memory)"));
  EXPECT_THAT(Refusal(kChat, Chat(R"("logprobs":true,"top_logprobs":-1)")),
              HasSubstr("top_logprobs: "))
      << "all that the context leaves";
  EXPECT_THAT(Refusal(kCompletions, Completion(R"("logprobs":-1,"max_tokens":17,"n":128)")),
              HasSubstr("would take 1088 MiB"));
  std::string prompt = "0";
  for (int i = 1; i < 2100; ++i) prompt += ",7";
  EXPECT_THAT(Refusal(kCompletions,
                      R"({"prompt":[)" + prompt + R"(],"max_tokens":1,"prompt_logprobs":-1})"),
              HasSubstr("prompt_logprobs: "));
  EXPECT_EQ(engine_->num_submitted(), 0);
  EXPECT_EQ(context_.logprob_memory.num_taken(), 0);
}

TEST_F(FullLogprobsTest, ATenantThatHasSomeLeavesRoomForOthers) {
  StartHttp();
  const auto ask = [&](const char* tenant) {
    std::string request = Post(kCompletions, Completion(R"("logprobs":-1,"max_tokens":2)"));
    request.insert(request.find("\r\n") + 2, fmt::format("X-Tenant: {}\r\n", tenant));
    return Ask(request);
  };
  // A request takes one MiB.
  const auto held = context_.logprob_memory.Take(LogprobMemory::kDefaultBytes - 3 * kMiB, "a", "");
  ASSERT_TRUE(held.ok());
  const testing::HttpAnswer refused = ask("a");
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.body, HasSubstr("this tenant's other log probabilities"));
  EXPECT_EQ(ask("b").status, 200);
}

TEST(LogprobMemory, IsSharedByTenants) {
  LogprobMemory memory(100);
  std::vector<LogprobLease> leases;
  const auto takes = [&](int64_t num_bytes, const char* tenant) {
    auto lease = memory.Take(num_bytes, tenant, "logprobs");
    if (lease.ok()) leases.push_back(*std::move(lease));
    return lease.ok();
  };
  EXPECT_TRUE(takes(10, "a"));
  EXPECT_TRUE(takes(30, "a"));
  EXPECT_FALSE(takes(11, "a")) << "51 for itself, 49 for others";
  EXPECT_TRUE(takes(10, "a"));
  EXPECT_TRUE(takes(20, "b"));
  EXPECT_FALSE(takes(6, "b")) << "26 for itself, 24 for others";
  EXPECT_TRUE(takes(5, "b"));
  EXPECT_FALSE(takes(26, "c")) << "all that is free is less";
  EXPECT_TRUE(takes(25, "c"));
  EXPECT_EQ(memory.num_taken(), 100);
  leases.clear();
  EXPECT_EQ(memory.num_taken(), 0);
  EXPECT_TRUE(takes(100, "a")) << "who has none may take all";
}

TEST_F(FullLogprobsTest, WhatOthersHaveOfTheMemoryIsWaitedFor) {
  StartHttp();
  auto others =
      context_.logprob_memory.Take(LogprobMemory::kDefaultBytes - 3 * kMiB, "others", "logprobs");
  ASSERT_TRUE(others.ok());
  const std::string small = Completion(R"("logprobs":-1,"max_tokens":6)");
  const std::string large = Completion(R"("logprobs":-1,"max_tokens":7)");
  AskJson(kCompletions, small);
  EXPECT_THAT(Refusal(kCompletions, large, 429), HasSubstr("try again later"));
  others = LogprobLease();
  AskJson(kCompletions, large);
  // What hangs has its part until its client goes.
  engine_->SetAnswer({.ending = testing::FakeAnswer::Ending::kHang});
  {
    testing::HttpClient client(http_->port());
    EXPECT_TRUE(client.Send(Post(kCompletions, large)));
    ASSERT_TRUE(engine_->WaitForSubmissions(3));
    EXPECT_EQ(context_.logprob_memory.num_taken(), 7 * kMiB / 2);
  }
  ASSERT_TRUE(engine_->WaitForCancels(1));
  for (int i = 0; i < 2000 && context_.logprob_memory.num_taken() > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(context_.logprob_memory.num_taken(), 0);
}

}  // namespace
}  // namespace switchyard::gateway
