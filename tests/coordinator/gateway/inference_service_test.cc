// The gRPC services over a real channel: the bundled model's tokenizer and template, scripted
// answers in place of the cluster.
#include "coordinator/gateway/inference_service.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"
#include "coordinator/gateway/admin_service.h"
#include "coordinator/gateway/gateway.h"
#include "coordinator/gateway/grpc_front.h"
#include "proto/admin.grpc.pb.h"
#include "proto/inference.grpc.pb.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::Not;

// Bounds every call, so that a hang fails.
std::unique_ptr<grpc::ClientContext> Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  return context;
}

v1::GenerateRequest ChatRequest(const std::string& content) {
  v1::GenerateRequest request;
  v1::ChatMessage* message = request.mutable_chat()->add_messages();
  message->set_role("user");
  message->set_content(content);
  return request;
}

struct Answer {
  grpc::Status status;
  std::string text;
  std::vector<int32_t> tokens;
  v1::GenerateResponse last;
};

class InferenceServiceTest : public ApiFixture {
 protected:
  void SetUp() override {
    auto front = GrpcFront::Start({}, {inference_.service(), admin_.service()});
    ASSERT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    channel_ = grpc::CreateChannel(fmt::format("127.0.0.1:{}", front_->port()),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::Inference::NewStub(channel_);
  }

  Answer Generate(const v1::GenerateRequest& request) {
    Answer answer;
    const auto context = Context();
    const auto reader = stub_->Generate(context.get(), request);
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
      answer.text += response.text();
      answer.tokens.insert(answer.tokens.end(), response.tokens().begin(), response.tokens().end());
      answer.last = response;
    }
    answer.status = reader->Finish();
    return answer;
  }

  InferenceService inference_{context_, work_};
  AdminService admin_{*engine_};
  std::unique_ptr<GrpcFront> front_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Inference::Stub> stub_;
};

TEST_F(InferenceServiceTest, StreamsAnAnswer) {
  const std::vector<int32_t> tokens = TokensThenEos("Hello 🦙.");
  engine_->SetAnswer({.tokens = tokens});
  const Answer answer = Generate(ChatRequest("Hi"));
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.text, "Hello 🦙.");
  EXPECT_THAT(answer.tokens, ElementsAreArray(tokens));
  EXPECT_EQ(answer.last.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(answer.last.usage().prompt_tokens(), 5);
  EXPECT_EQ(answer.last.usage().completion_tokens(), int(tokens.size()));
  EXPECT_THAT(engine_->last_request().prompt_tokens, ElementsAre(0, 4072, 42, 75, 4073));
}

TEST_F(InferenceServiceTest, AChatsLogprobsAreNamedAsTheMessageHasThem) {
  v1::GenerateRequest request = ChatRequest("Hi");
  for (const int32_t number : {21, -2, 129}) {
    request.set_logprobs(number);
    const grpc::Status status = Generate(request).status;
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << number;
    EXPECT_THAT(status.error_message(), HasSubstr("'logprobs' must be between 0 and")) << number;
  }
}

TEST_F(InferenceServiceTest, TakesTextTokensAndParameters) {
  engine_->SetAnswer(
      {.tokens = Tokens("one two three four"), .ending = FakeAnswer::Ending::kRepeat});
  v1::GenerateRequest request;
  request.set_text("Hello");
  request.set_max_tokens(3);
  request.set_temperature(0);
  request.set_seed(9);
  Answer answer = Generate(request);
  EXPECT_EQ(answer.last.finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_THAT(engine_->last_request().prompt_tokens, ElementsAre(0, 1357));
  EXPECT_EQ(engine_->last_request().sampling.temperature(), 0);
  EXPECT_EQ(engine_->last_request().sampling.seed(), 9u);

  model_.context_length = 1 << 24;  // ended by nothing but the stop text
  request.Clear();
  request.mutable_tokens()->add_tokens(5);
  request.add_stop("o thr");
  answer = Generate(request);
  EXPECT_EQ(answer.text, "one tw");
  EXPECT_EQ(answer.last.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_TRUE(engine_->WaitForCancels(1));
}

TEST_F(InferenceServiceTest, RefusesBadRequests) {
  v1::GenerateRequest no_prompt;
  v1::GenerateRequest bad_top_p = ChatRequest("Hi");
  bad_top_p.set_top_p(std::numeric_limits<float>::quiet_NaN());
  v1::GenerateRequest bad_tools = ChatRequest("Hi");
  bad_tools.mutable_chat()->set_tools_json("[{");
  v1::GenerateRequest bad_token;
  bad_token.mutable_tokens()->add_tokens(4096);
  v1::GenerateRequest too_long;
  too_long.mutable_tokens()->mutable_tokens()->Resize(64, 5);
  for (const v1::GenerateRequest& request :
       {no_prompt, bad_top_p, bad_tools, bad_token, too_long}) {
    EXPECT_EQ(Generate(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << request.ShortDebugString();
  }
  v1::GenerateRequest other_model = ChatRequest("Hi");
  other_model.set_model("gpt-4");
  EXPECT_EQ(Generate(other_model).status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(engine_->num_submitted(), 0);
}

TEST_F(InferenceServiceTest, AskForAKeyWhereHttpDoes) {
  char path[] = "/tmp/sy_grpc_keys_XXXXXX";
  close(mkstemp(path));
  ASSERT_TRUE(WriteFile(path, R"({"keys":[{"key":"sk-alice-0123456789abcdef",
                                           "tenant":"alice","weight":3}]})")
                  .ok());
  const auto keys = KeyFile::Open(path, [](const std::string&) {});
  std::remove(path);
  ASSERT_TRUE(keys.ok()) << keys.status();
  context_.keys = keys->get();
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  using Metadata = std::vector<std::pair<const char*, const char*>>;
  const auto code_with = [&](const Metadata& metadata) {
    const auto context = Context(), list_context = Context(), load_context = Context(),
               text_context = Context();
    for (const auto& [name, value] : metadata) {
      for (const auto& each : {&context, &list_context, &load_context, &text_context}) {
        (*each)->AddMetadata(name, value);
      }
    }
    const auto reader = stub_->Generate(context.get(), ChatRequest("Hi"));
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
    }
    const grpc::Status status = reader->Finish();
    EXPECT_THAT(status.error_message(), Not(HasSubstr("sk-")));
    v1::ListModelsResponse models;
    EXPECT_EQ(stub_->ListModels(list_context.get(), {}, &models).error_code(), status.error_code());
    v1::GetLoadResponse load;
    EXPECT_EQ(stub_->GetLoad(load_context.get(), {}, &load).error_code(), status.error_code());
    v1::DetokenizeResponse text;
    EXPECT_EQ(stub_->Detokenize(text_context.get(), {}, &text).error_code(), status.error_code());
    return status.error_code();
  };
  const std::pair<const char*, const char*> bearer = {"authorization",
                                                      "Bearer sk-alice-0123456789abcdef"};
  EXPECT_EQ(code_with({}), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(code_with({{"authorization", "Bearer sk-other-0123456789abcdef"}}),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(code_with({bearer, {"x-tenant", "bob"}}), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(engine_->num_submitted(), 0);
  EXPECT_EQ(code_with({bearer}), grpc::StatusCode::OK);
  EXPECT_EQ(code_with({{"x-api-key", "sk-alice-0123456789abcdef"}}), grpc::StatusCode::OK);
  EXPECT_EQ(engine_->last_request().tenant, "alice");
  EXPECT_EQ(engine_->last_request().weight, 3);
}

TEST_F(InferenceServiceTest, ATenantIsWhoItSaysWithoutKeys) {
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  const auto context = Context();
  context->AddMetadata("x-tenant", "bob");
  v1::GenerateResponse response;
  const auto reader = stub_->Generate(context.get(), ChatRequest("Hi"));
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(engine_->last_request().tenant, "bob");
}

TEST_F(InferenceServiceTest, PassesOnTheEnginesErrors) {
  engine_->SetSubmitStatus(absl::ResourceExhaustedError("the queue is full"));
  EXPECT_EQ(Generate(ChatRequest("Hi")).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  engine_->SetSubmitStatus(absl::OkStatus());
  engine_->SetAnswer({.tokens = Tokens("Half"),
                      .ending = FakeAnswer::Ending::kFail,
                      .error = absl::UnavailableError("rank 3 was lost")});
  const Answer answer = Generate(ChatRequest("Hi"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(answer.status.error_message(), "rank 3 was lost");
}

TEST_F(InferenceServiceTest, ACancelReachesTheEngine) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
  const auto context = Context();
  const auto reader = stub_->Generate(context.get(), ChatRequest("Hi"));
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  context->TryCancel();
  EXPECT_TRUE(engine_->WaitForCancels(1));
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(InferenceServiceTest, ADeadlineReachesTheEngine) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  const auto reader = stub_->Generate(&context, ChatRequest("Hi"));
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(engine_->num_submitted() == 0 || engine_->WaitForCancels(1));
}

TEST_F(InferenceServiceTest, OnlySoManyCallsMayBeOpen) {
  constexpr int kLimit = 1024;
  engine_->SetAnswer({.tokens = {}, .ending = FakeAnswer::Ending::kHang});
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>> readers;
  v1::GenerateRequest request;
  request.mutable_tokens()->add_tokens(5);
  for (int i = 0; i < kLimit; ++i) {
    contexts.push_back(Context());
    readers.push_back(stub_->Generate(contexts.back().get(), request));
  }
  ASSERT_TRUE(engine_->WaitForSubmissions(kLimit));
  grpc::ChannelArguments apart;
  apart.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto other = v1::Inference::NewStub(grpc::CreateCustomChannel(
      fmt::format("127.0.0.1:{}", front_->port()), grpc::InsecureChannelCredentials(), apart));
  const auto context = Context();
  v1::GenerateResponse response;
  const auto reader = other->Generate(context.get(), request);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);

  for (const auto& open : contexts) open->TryCancel();
  ASSERT_TRUE(engine_->WaitForCancels(kLimit));
  for (const auto& open : readers) open->Finish();
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  EXPECT_TRUE(Generate(request).status.ok());
}

TEST_F(InferenceServiceTest, AConnectionOverTheDescriptorLimitIsClosed) {
  const auto full = GrpcFront::Start({.max_descriptor = 0}, {admin_.service()});
  ASSERT_TRUE(full.ok()) << full.status();
  switchyard::testing::HttpClient client((*full)->port());
  EXPECT_TRUE(client.WaitForClose());
}

// A unary call as any client makes it that knows the service by its name only.
grpc::ByteBuffer CallByName(const std::shared_ptr<grpc::Channel>& channel, const char* method,
                            const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  const auto context = Context();
  const grpc::Slice slice(request);
  const auto call = stub.PrepareCall(context.get(), method, &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
  queue.Next(&tag, &ok);
  call->Read(&response, nullptr);
  queue.Next(&tag, &ok);
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

std::string Bytes(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

TEST_F(InferenceServiceTest, TheStandardHealthServiceFollowsTheCluster) {
  constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
  EXPECT_EQ(Bytes(CallByName(channel_, kCheck, "")), "\x08\x02");  // NOT_SERVING
  front_->SetServing(true);
  EXPECT_EQ(Bytes(CallByName(channel_, kCheck, "")), "\x08\x01");  // SERVING
}

TEST_F(InferenceServiceTest, ReflectionListsTheServices) {
  const std::string names =
      Bytes(CallByName(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                       "\x3a\x01*"));  // list_services
  EXPECT_THAT(names, HasSubstr("switchyard.v1.Inference"));
  EXPECT_THAT(names, HasSubstr("switchyard.v1.Admin"));
  EXPECT_THAT(names, HasSubstr("grpc.health.v1.Health"));
}

TEST_F(InferenceServiceTest, AShutdownCancelsWhatIsStillRunning) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
  const auto context = Context();
  const auto reader = stub_->Generate(context.get(), ChatRequest("Hi"));
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  front_->Shutdown(std::chrono::milliseconds(10));
  EXPECT_TRUE(engine_->WaitForCancels(1));
}

TEST_F(InferenceServiceTest, ListsItsModel) {
  const auto context = Context();
  v1::ListModelsResponse response;
  ASSERT_TRUE(stub_->ListModels(context.get(), {}, &response).ok());
  EXPECT_THAT(response.models(), ElementsAre("tiny-r1"));
}

TEST_F(InferenceServiceTest, AdminGivesTheClustersState) {
  v1::StatusResponse cluster;
  cluster.set_state(v1::CLUSTER_STATE_GATHERING);
  cluster.set_detail("waiting for 2 of 4 workers");
  engine_->SetClusterStatus(cluster);
  const auto context = Context();
  v1::StatusResponse response;
  ASSERT_TRUE(v1::Admin::NewStub(channel_)->Status(context.get(), {}, &response).ok());
  EXPECT_EQ(response.detail(), "waiting for 2 of 4 workers");
}

TEST_F(InferenceServiceTest, TheWholeGatewayStartsAndEndsWithARequestUnderWay) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
  auto gateway = Gateway::Start({}, model_, *engine_, {});
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  const auto stub = v1::Inference::NewStub(grpc::CreateChannel(
      fmt::format("127.0.0.1:{}", (*gateway)->grpc_port()), grpc::InsecureChannelCredentials()));
  const auto context = Context();
  const auto reader = stub->Generate(context.get(), ChatRequest("Hi"));
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  switchyard::testing::HttpClient client((*gateway)->http_port());
  ASSERT_TRUE(client.Send(switchyard::testing::Post("/v1/completions", R"({"prompt":"Hi"})")));
  ASSERT_TRUE(engine_->WaitForSubmissions(2));
  (*gateway)->Shutdown(std::chrono::milliseconds(1));
  EXPECT_TRUE(engine_->WaitForCancels(2));
  engine_.reset();
}

// What the system may keep of what is sent on `socket`.
int SendBufferOf(int socket) {
  int num_bytes = 0;
  socklen_t size = sizeof(num_bytes);
  EXPECT_EQ(getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &num_bytes, &size), 0);
  return num_bytes;
}

// Those of the connections that this process has taken on `port`.
std::vector<int> SendBuffersAt(int port) {
  std::vector<int> buffers;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    sockaddr_in local{}, peer{};
    socklen_t size = sizeof(local);
    auto* address = reinterpret_cast<sockaddr*>(&local);
    if (getsockname(descriptor, address, &size) != 0 || ntohs(local.sin_port) != port) continue;
    size = sizeof(peer);
    if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    buffers.push_back(SendBufferOf(descriptor));
  }
  return buffers;
}

// An HTTP client that does not read leaves no megabytes with the system; a gRPC call has its own
// control of flow, and the system finds how much is under way to a far worker.
TEST_F(InferenceServiceTest, TheSystemsBufferIsBoundedForHttpAlone) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const int asked = 256 << 10;  // the system may grant less, or twice that
  ASSERT_EQ(setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &asked, sizeof(asked)), 0);
  const int granted = SendBufferOf(socket);
  ::close(socket);
  StartHttp();
  switchyard::testing::HttpClient http(http_->port());
  ASSERT_TRUE(http.Send(switchyard::testing::Get("/livez")));
  ASSERT_TRUE(http.ReadAnswer());
  EXPECT_THAT(SendBuffersAt(http_->port()), ElementsAre(granted));
  EXPECT_TRUE(Generate(ChatRequest("Hi")).status.ok());
  EXPECT_THAT(SendBuffersAt(front_->port()), ElementsAre(::testing::Ne(granted)));
}

TEST_F(InferenceServiceTest, APortInUseIsAClearError) {
  const auto second = GrpcFront::Start({.port = front_->port()}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Message(second.status())),
              HasSubstr(fmt::format("127.0.0.1 port {}", front_->port())));
}

TEST_F(InferenceServiceTest, TokenizesAsHttpDoes) {
  const auto tokenize = [&](const v1::TokenizeRequest& request) {
    v1::TokenizeResponse response;
    const grpc::Status status = stub_->Tokenize(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  };
  StartHttp();
  v1::TokenizeRequest request;
  request.set_text("Hello there");
  request.set_return_token_strs(true);
  const v1::TokenizeResponse text = tokenize(request);
  const Json over_http =
      AskJson("/tokenize", R"({"prompt":"Hello there","return_token_strs":true})");
  EXPECT_EQ(Json(std::vector<int32_t>(text.tokens().begin(), text.tokens().end())),
            over_http["tokens"]);
  EXPECT_EQ(Json(std::vector<std::string>(text.token_strs().begin(), text.token_strs().end())),
            over_http["token_strs"]);
  EXPECT_EQ(text.max_model_len(), 64);
  request.set_add_special_tokens(false);
  request.set_return_token_strs(false);
  EXPECT_EQ(tokenize(request).tokens_size(), text.tokens_size() - 1);
  EXPECT_EQ(tokenize(request).token_strs_size(), 0);
  v1::TokenizeRequest chat;
  *chat.mutable_chat() = ChatRequest("Hi").chat();
  EXPECT_EQ(tokenize(chat).tokens_size(), 5);

  v1::DetokenizeRequest back;
  *back.mutable_tokens() = text.tokens();
  v1::DetokenizeResponse prompt;
  ASSERT_TRUE(stub_->Detokenize(Context().get(), back, &prompt).ok());
  EXPECT_THAT(prompt.prompt(), ::testing::EndsWith("Hello there"));
}

TEST_F(InferenceServiceTest, TokenizeNamesWhatIsWrong) {
  v1::TokenizeResponse response;
  v1::TokenizeRequest request;
  EXPECT_EQ(stub_->Tokenize(Context().get(), request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_text("x");
  request.set_model("other");
  EXPECT_EQ(stub_->Tokenize(Context().get(), request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  v1::DetokenizeRequest back;
  back.add_tokens(4096);
  v1::DetokenizeResponse prompt;
  const grpc::Status status = stub_->Detokenize(Context().get(), back, &prompt);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("token 4096"));
}

TEST_F(InferenceServiceTest, SaysHowLoadedTheClusterIs) {
  v1::StatusResponse cluster;
  cluster.set_running_requests(3);
  cluster.set_waiting_requests(4);
  cluster.set_kv_blocks_free(30);
  cluster.set_kv_blocks_total(40);
  cluster.set_tokens_per_second(12.5);
  engine_->SetClusterStatus(cluster);
  v1::GetLoadResponse load;
  ASSERT_TRUE(stub_->GetLoad(Context().get(), {}, &load).ok());
  EXPECT_EQ(load.running_requests(), 3);
  EXPECT_EQ(load.waiting_requests(), 4);
  EXPECT_EQ(load.kv_blocks_free(), 30);
  EXPECT_EQ(load.kv_blocks_total(), 40);
  EXPECT_EQ(load.tokens_per_second(), 12.5);
}

}  // namespace
}  // namespace switchyard::gateway
