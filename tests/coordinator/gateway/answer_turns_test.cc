// Answers whose text takes long to write share one thread: they take turns on it, and a client that
// leaves does not wait for its turn.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "coordinator/gateway/generate_answer.h"
#include "tests/coordinator/gateway/api_fixture.h"
#include "tests/testing/held_executor.h"

namespace switchyard::gateway {
namespace {

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";
constexpr std::chrono::seconds kPatience{20};

// A client as the answer sees it: the first that is written to it takes until it is let go on.
class SlowClient {
 public:
  void Take() {
    if (writes_.fetch_add(1) > 0) return;
    begun_.set_value();
    go_on_.get_future().wait();
  }
  void WaitUntilWrittenTo() { begun_.get_future().wait(); }
  void GoOn() { go_on_.set_value(); }

 private:
  std::atomic<int> writes_{0};
  std::promise<void> begun_;
  std::promise<void> go_on_;
};

class SlowReply final : public HttpReply, public SlowClient {
 public:
  void Send(HttpResponse) override {}
  void StartStream(HttpResponse) override { Take(); }
  void Write(std::string) override { Take(); }
  void EndStream() override { ended = true; }
  void OnDisconnect(std::function<void()> callback) override { left.set_value(callback); }

  std::promise<std::function<void()>> left;  // what is to be called when the client leaves
  std::atomic<bool> ended = false;
};

class SlowStream final : public GenerateStream, public SlowClient {
 public:
  void Push(v1::GenerateResponse) override { Take(); }
  void End(const absl::Status&) override { ended = true; }

  std::atomic<bool> ended = false;
};

std::string Body(int max_tokens) {
  return R"({"messages":[{"role":"user","content":"Hi"}],"stream":true,"logprobs":true,)"
         R"("top_logprobs":-1,"ignore_eos":true,"max_tokens":)" +
         std::to_string(max_tokens) + "}";
}

class AnswerTurnsTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.max_logprobs = core::kFullVocabulary;
    model_.context_length = 4096;
  }

  void SetEnding(testing::FakeAnswer::Ending ending) {
    engine_->SetAnswer({.tokens = Tokens("one two three"), .ending = ending});
  }

  bool WaitUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return done();
  }
  // Until the engine has computed all that was asked for.
  bool WaitUntilComputed(int num_requests) {
    return engine_->WaitForSubmissions(num_requests) &&
           WaitUntil([&] { return engine_->num_open() == 0; });
  }
};

TEST_F(AnswerTurnsTest, AShortAnswerEndsBesideALongOne) {
  testing::HeldExecutor slow;
  context_.slow_executor = &slow;
  SetEnding(testing::FakeAnswer::Ending::kRepeat);
  StartHttp();
  testing::HttpClient long_one(http_->port()), short_one(http_->port());
  ASSERT_TRUE(long_one.Send(testing::Post(kChat, Body(40))));
  ASSERT_TRUE(WaitUntilComputed(1));
  ASSERT_TRUE(short_one.Send(testing::Post(kChat, Body(1))));
  ASSERT_TRUE(WaitUntilComputed(2));
  for (int turn = 0; turn < 4; ++turn) EXPECT_TRUE(slow.RunOne());
  const auto answer = short_one.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(testing::SseData(answer->body).back(), "[DONE]");
  int num_turns = 0;
  while (slow.RunOne()) ++num_turns;
  EXPECT_GE(num_turns, 30) << "the long one waited for its own turns";
  const auto all = long_one.ReadAnswer();
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(testing::SseData(all->body).size(), 1 + 40 + 1 + 1u) << "role, tokens, end, [DONE]";
}

// Their own log probabilities are many, though no likeliest stand beside them.
TEST_F(AnswerTurnsTest, AllOfALongPromptIsWrittenThere) {
  testing::HeldExecutor slow;
  context_.slow_executor = &slow;
  model_.context_length = 1 << 15;
  SetEnding(testing::FakeAnswer::Ending::kFinish);
  StartHttp();
  const auto ask = [&](int num_tokens, const char* more) {
    const std::string prompt = fmt::format("{}", fmt::join(std::vector<int>(num_tokens, 7), ","));
    auto client = std::make_unique<testing::HttpClient>(http_->port());
    EXPECT_TRUE(client->Send(testing::Post(
        kCompletions, fmt::format(R"({{"prompt":[{}],"max_tokens":1,{}}})", prompt, more))));
    return client;
  };
  int num_asked = 0;
  for (const char* more : {R"("prompt_logprobs":0)", R"("echo":true,"logprobs":0)"}) {
    EXPECT_TRUE(ask(3, more)->ReadAnswer().has_value()) << "a short one does not wait";
    const auto client = ask(20000, more);
    ASSERT_TRUE(WaitUntilComputed(num_asked += 2));
    EXPECT_TRUE(slow.RunOne()) << more;
    while (slow.RunOne()) {
    }
    const auto answer = client->ReadAnswer();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 200);
  }
}

// Whichever ends last writes what the answer has as a whole.
TEST_F(AnswerTurnsTest, AllChoicesOfASlowAnswerAreWrittenThere) {
  testing::HeldExecutor quick, slow;
  context_.executor = &quick;
  context_.slow_executor = &slow;
  SetEnding(testing::FakeAnswer::Ending::kFinish);
  StartHttp();
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "Hi ";
  const std::string prompt = fmt::format("{}", fmt::join(std::vector<int>(500, 7), ","));
  struct Case {
    const char* path;
    std::string body;
    int num_choices;
  };
  const Case cases[] = {
      {kChat,
       fmt::format(R"("messages":[{{"role":"user","content":"{}"}}],"prompt_logprobs":20,"n":2)",
                   text),
       2},
      {kCompletions,
       fmt::format(R"("prompt":[[{0}],[{0}],[{0}],[{0}]],"echo":true,"logprobs":5,"n":2)", prompt),
       8}};
  int num_asked = 0;
  for (const Case& one : cases) {
    testing::HttpClient client(http_->port());
    ASSERT_TRUE(client.Send(testing::Post(one.path, "{" + one.body + R"(,"max_tokens":1})")));
    ASSERT_TRUE(WaitUntilComputed(num_asked += one.num_choices));
    EXPECT_FALSE(quick.RunOne()) << one.path;
    while (slow.RunOne() || quick.RunOne()) {
    }
    const auto answer = client.ReadAnswer();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 200) << answer->body.substr(0, 200);
  }
}

TEST_F(AnswerTurnsTest, AClientThatLeavesDoesNotWaitForTheWriter) {
  SetEnding(testing::FakeAnswer::Ending::kHang);
  StartHttp();
  const auto reply = std::make_shared<SlowReply>();
  api_->Handle(
      {.method = "POST", .path = kChat, .content_type = "application/json", .body = Body(1500)},
      reply);
  auto can_leave = reply->left.get_future();
  ASSERT_EQ(can_leave.wait_for(kPatience), std::future_status::ready);
  reply->WaitUntilWrittenTo();
  EXPECT_GT(context_.logprob_memory.num_taken(), 0);
  const auto left = std::async(std::launch::async, can_leave.get());
  EXPECT_EQ(left.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(engine_->WaitForCancels(1));
  reply->GoOn();
  EXPECT_TRUE(WaitUntil([&] { return context_.logprob_memory.num_taken() == 0; }));
  EXPECT_FALSE(reply->ended);
}

TEST_F(AnswerTurnsTest, NorDoesACallThatIsCancelled) {
  SetEnding(testing::FakeAnswer::Ending::kHang);
  const auto stream = std::make_shared<SlowStream>();
  AnswerHead head = MakeAnswerHead(Endpoint::kCompletion, model_);
  head.logprobs = core::kFullVocabulary;
  const auto answer = MakeGenerateAnswer(std::move(head), {}, stream, metrics_);
  CompletionSpec spec = {.prompt_tokens = {5}, .max_tokens = 1500};
  spec.sampling.set_top_logprobs(core::kFullVocabulary);
  spec.is_slow = true;
  const auto completion = Completion::Start(context_, std::move(spec), answer->SinkOf(0));
  ASSERT_TRUE(completion.ok());
  answer->Add(*completion);
  stream->WaitUntilWrittenTo();
  const auto left = std::async(std::launch::async, [&] { answer->Cancel(); });
  EXPECT_EQ(left.wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(engine_->WaitForCancels(1));
  stream->GoOn();
  EXPECT_FALSE(stream->ended);
}

}  // namespace
}  // namespace switchyard::gateway
