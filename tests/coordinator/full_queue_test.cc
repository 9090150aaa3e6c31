// A full queue, from socket to socket: whoever finds it full is told at once, and no worker has to
// do anything for that.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/json.h"
#include "base/version.h"
#include "coordinator/checkpoint_info.h"
#include "coordinator/coordinator.h"
#include "coordinator/gateway/gateway.h"
#include "tests/testing/fake_worker.h"
#include "tests/testing/http_client.h"

namespace switchyard {
namespace {

using testing::FakeWorker;
using testing::HttpAnswer;
using testing::HttpClient;

constexpr int32_t kMaxWaiting = 3;
constexpr char kCompletions[] = "/v1/completions";
constexpr char kResponses[] = "/v1/responses";
constexpr char kBody[] = R"({"prompt":[5,6,7],"max_tokens":50})";

// A coordinator with both its fronts, and one worker, who computes nothing.
class FullQueueHttpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto checkpoint = ReadCheckpointInfo(SWITCHYARD_SOURCE_DIR "/models/tiny-r1");
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_.emplace(*std::move(checkpoint));
    CoordinatorOptions options{
        .model_name = "tiny-r1", .model_path = "somewhere", .model = checkpoint_->model};
    options.max_waiting = kMaxWaiting;
    options.plan = {.data_parallel = 1,
                    .tensor_parallel = 1,
                    .max_batched_tokens = 64,
                    .max_running = 8,
                    .kv_num_blocks = 64};
    options.membership = {.world = 1, .version = kVersion};
    coordinator_.emplace(std::move(options));
    const gateway::ServedModel model{.name = "tiny-r1",
                                     .context_length = 4096,
                                     .vocab_size = checkpoint_->model.vocab_size(),
                                     .tokenizer = checkpoint_->tokenizer.get(),
                                     .chat_template = &*checkpoint_->chat_template};
    auto gateway = gateway::Gateway::Start(
        {.http = {.port = 0}, .grpc = {.port = 0}}, model, *coordinator_,
        {coordinator_->worker_service(), coordinator_->rendezvous_service()});
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
    loop_ = std::thread([this] { (void)coordinator_->Run(); });
    ASSERT_NO_FATAL_FAILURE(JoinWorker());
  }

  void JoinWorker() {
    worker_.emplace(grpc::CreateChannel(fmt::format("127.0.0.1:{}", gateway_->grpc_port()),
                                        grpc::InsecureChannelCredentials()));
    worker_->SendHello(0, kVersion);
    const auto message = worker_->Read();
    ASSERT_TRUE(message.has_value() && message->has_assignment());
    worker_->SendReady(message->assignment());
    ASSERT_TRUE(WaitForStatus([](const v1::StatusResponse& status) {
      return status.state() == v1::CLUSTER_STATE_SERVING;
    }));
  }

  void TearDown() override {
    coordinator_->Drain();
    coordinator_->Drain();
    if (loop_.joinable()) loop_.join();
    worker_.reset();
    clients_.clear();
    gateway_.reset();
  }

  template <typename Condition>
  bool WaitForStatus(const Condition& condition) {
    for (int i = 0; i < 2000 && !condition(coordinator_->Status()); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition(coordinator_->Status());
  }

  // A request that is not answered.
  HttpClient& Ask(const std::string& body = kBody, const char* path = kCompletions) {
    clients_.push_back(std::make_unique<HttpClient>(gateway_->http_port()));
    EXPECT_TRUE(clients_.back()->Send(testing::Post(path, body)));
    return *clients_.back();
  }

  std::optional<HttpAnswer> GetAnswer(const std::string& path) {
    HttpClient client(gateway_->http_port());
    EXPECT_TRUE(client.Send(testing::Get(path)));
    return client.ReadAnswer();
  }

  // With one request; no more plans come before a result, which never does.
  void KeepTheWorkerBusy() {
    Ask();
    for (int i = 0; i < 2; ++i) {
      const auto message = worker_->Read();
      ASSERT_TRUE(message.has_value() && message->has_plan());
    }
  }
  void FillTheQueue() {
    ASSERT_NO_FATAL_FAILURE(KeepTheWorkerBusy());
    for (int i = 0; i < kMaxWaiting; ++i) Ask();
    ASSERT_TRUE(WaitForStatus(
        [](const v1::StatusResponse& status) { return status.waiting_requests() == kMaxWaiting; }));
  }

  std::optional<CheckpointInfo> checkpoint_;
  std::optional<Coordinator> coordinator_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::optional<FakeWorker> worker_;
  std::vector<std::unique_ptr<HttpClient>> clients_;
  std::thread loop_;
};

TEST_F(FullQueueHttpTest, IsToldWhileNoStepEnds) {
  ASSERT_NO_FATAL_FAILURE(FillTheQueue());
  for (const char* more : {"", R"(,"stream":true)", R"(,"n":2)"}) {
    const auto answer =
        Ask(fmt::format(R"({{"prompt":[5,6,7],"max_tokens":50{}}})", more)).ReadAnswer();
    ASSERT_TRUE(answer.has_value()) << more;
    EXPECT_EQ(answer->status, 429) << answer->body;
    EXPECT_EQ(answer->headers.at("retry-after"), "1");
  }
  // What needs more places than there are need not come again.
  for (const char* body : {R"({"prompt":[5],"n":4})", R"({"prompt":[[5],[6]],"n":2})"}) {
    const auto never = Ask(body).ReadAnswer();
    ASSERT_TRUE(never.has_value()) << body;
    EXPECT_EQ(never->status, 400) << never->body;
    EXPECT_EQ(ParseJson(never->body).value()["error"]["param"], "n");
  }
}

// Its choices go together, and its client is told once.
TEST_F(FullQueueHttpTest, ARequestOfSeveralAnswersMakesPlaceForAnotherTenant) {
  ASSERT_NO_FATAL_FAILURE(KeepTheWorkerBusy());
  const auto has_waiting = [&](int32_t num) {
    return WaitForStatus(
        [&](const v1::StatusResponse& status) { return status.waiting_requests() == num; });
  };
  HttpClient& flood = Ask(R"({"prompt":[5,6,7],"max_tokens":50,"n":3})");
  ASSERT_TRUE(has_waiting(3));
  std::string request = testing::Post(kCompletions, kBody);
  request.insert(request.find("\r\n") + 2, "X-Tenant: other\r\n");
  HttpClient other(gateway_->http_port());
  ASSERT_TRUE(other.Send(request));
  const auto answer = flood.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 429) << answer->body;
  EXPECT_EQ(answer->headers.at("retry-after"), "1");
  EXPECT_TRUE(has_waiting(1)) << "the other's";
}

// What was refused is neither work nor an answer that took so long.
TEST_F(FullQueueHttpTest, RefusedRequestsCountAsRefusedOnly) {
  ASSERT_NO_FATAL_FAILURE(FillTheQueue());
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Ask().ReadAnswer().value().status, 429);
  // The others are counted as soon as their completions hear of the queue.
  const std::string admitted =
      fmt::format("\nswitchyard_prompt_tokens_total {}\n", 3 * (1 + kMaxWaiting));
  std::string text = GetAnswer("/metrics").value().body;
  for (int i = 0; i < 2000 && text.find(admitted) == text.npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    text = GetAnswer("/metrics").value().body;
  }
  EXPECT_NE(text.find(admitted), text.npos) << text;
  for (const std::string& line :
       {std::string(R"(switchyard_requests_finished_total{reason="error"} 10)"),
        std::string("switchyard_request_seconds_count 0"),
        std::string("switchyard_request_prompt_tokens_count 0"),
        std::string("switchyard_request_generated_tokens_count 0")}) {
    EXPECT_NE(text.find("\n" + line + "\n"), text.npos) << line;
  }
}

TEST_F(FullQueueHttpTest, IsToldInTheBackgroundToo) {
  ASSERT_NO_FATAL_FAILURE(FillTheQueue());
  for (const char* more : {"", R"(,"stream":true)"}) {
    const auto answer =
        Ask(fmt::format(R"({{"input":"Hi","background":true{}}})", more), kResponses).ReadAnswer();
    ASSERT_TRUE(answer.has_value()) << more;
    EXPECT_EQ(answer->status, 429) << answer->body;
    EXPECT_EQ(answer->headers.at("retry-after"), "1");
    EXPECT_EQ(ParseJson(answer->body).value()["error"]["code"], "rate_limit_exceeded");
  }
}

// A place in the queue is enough for the answer: no step has to end.
TEST_F(FullQueueHttpTest, APlaceInItAnswersWhatRunsInTheBackground) {
  ASSERT_NO_FATAL_FAILURE(KeepTheWorkerBusy());
  const auto waiting = Ask(R"({"input":"Hi","background":true})", kResponses).ReadAnswer();
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->status, 200) << waiting->body;
  const Json response = ParseJson(waiting->body).value();
  EXPECT_EQ(response["status"], "in_progress");
  const auto again = GetAnswer("/v1/responses/" + response["id"].get<std::string>());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(ParseJson(again->body).value()["status"], "in_progress");
  HttpClient& stream = Ask(R"({"input":"Hi","background":true,"stream":true})", kResponses);
  const auto head = stream.ReadHead();
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->status, 200);
}

}  // namespace
}  // namespace switchyard
