// What a model writes is given in the order in which it writes it, whether its tokens come one by
// one or all at once, streamed or whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::HttpClient;
using switchyard::testing::Post;
using ::testing::ElementsAre;

constexpr const char* kCall =
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n{\"key\": \"a\"}\n```"
    "<｜tool▁call▁end｜>";

// Keeps its work until it is told to do it.
class HeldExecutor final : public Executor {
 public:
  void Post(std::function<void()> work) override {
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(work));
  }
  void RunAll() {
    std::unique_lock lock(mutex_);
    while (!held_.empty()) {
      const std::function<void()> work = std::move(held_.front());
      held_.erase(held_.begin());
      lock.unlock();
      work();
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> held_;
};

class AnswerOrderTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.context_length = 4096;
    context_.executor = &held_;
    StartHttp();
  }

  // The answer, of which all tokens come at once.
  std::string AskAtOnce(const char* path, const std::string& body) {
    HttpClient client(http_->port());
    EXPECT_TRUE(client.Send(Post(path, body)));
    EXPECT_TRUE(engine_->WaitForSubmissions(++num_asked_));
    while (engine_->num_open() > 0) std::this_thread::yield();
    held_.RunAll();
    const auto answer = client.ReadAnswer();
    EXPECT_TRUE(answer && answer->status == 200);
    return answer ? answer->body : "";
  }

  // Each as its kind and its text.
  std::vector<std::string> Blocks(const std::string& more) {
    const Json content =
        ParseJson(AskAtOnce("/v1/messages", MessagesBody(more))).value()["content"];
    std::vector<std::string> blocks;
    for (const Json& block : content) {
      blocks.push_back(block["type"] == "text" ? block["text"].get<std::string>()
                                               : block["type"].get<std::string>());
    }
    return blocks;
  }
  std::vector<std::string> StreamedBlocks() {
    std::vector<std::string> blocks;
    const std::string body = AskAtOnce("/v1/messages", MessagesBody(R"(,"stream":true)"));
    for (const std::string& data : switchyard::testing::SseData(body)) {
      const Json event = ParseJson(data).value();
      if (event["type"] == "content_block_start") {
        blocks.push_back(event["content_block"]["type"]);
      } else if (event["type"] == "content_block_delta" && event["delta"].contains("text")) {
        if (blocks.back() == "text") blocks.back().clear();
        blocks.back() += event["delta"]["text"];
      }
    }
    return blocks;
  }
  std::vector<std::string> Items() {
    const Json output =
        ParseJson(AskAtOnce("/v1/responses",
                            R"({"input":"Hi","tools":[{"type":"function","name":"look_up"}]})"))
            .value()["output"];
    std::vector<std::string> items;
    for (const Json& item : output) {
      items.push_back(item["type"] == "message" ? item["content"][0]["text"].get<std::string>()
                                                : item["type"].get<std::string>());
    }
    return items;
  }

  static std::string MessagesBody(const std::string& more) {
    return R"({"max_tokens":200,"messages":[{"role":"user","content":"Hi"}],
               "tools":[{"name":"look_up","input_schema":{"type":"object"}}])" +
           more + "}";
  }

  HeldExecutor held_;
  int num_asked_ = 0;
};

TEST_F(AnswerOrderTest, TextBehindACallStaysBehindIt) {
  SetText("Wait." + std::string(kCall) + "Done." + kCall + "Over.");
  EXPECT_THAT(Blocks(""), ElementsAre("Wait.", "tool_use", "Done.", "tool_use", "Over."));
  EXPECT_THAT(StreamedBlocks(), ElementsAre("Wait.", "tool_use", "Done.", "tool_use", "Over."));
  EXPECT_THAT(Items(), ElementsAre("Wait.", "function_call", "Done.", "function_call", "Over."));
}

// The beginning of a stop text is held back with the call that it ends: both are decided by one
// token.
TEST_F(AnswerOrderTest, AlsoWhereOneTokenDecidesBoth) {
  SetText("Wait." + std::string(kCall) + "Done.");
  EXPECT_THAT(Blocks(R"(,"stop_sequences":["<｜tool▁call▁end｜>Z"])"),
              ElementsAre("Wait.", "tool_use", "Done."));
}

}  // namespace
}  // namespace switchyard::gateway
