// A request's timeout counts all of its waiting, that for a thread which reads it, too.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>

#include "coordinator/gateway/grpc_front.h"
#include "coordinator/gateway/inference_service.h"
#include "proto/inference.grpc.pb.h"
#include "tests/coordinator/gateway/api_fixture.h"
#include "tests/testing/held_executor.h"

namespace switchyard::gateway {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kChatFields = R"("messages":[{"role":"user","content":"Hi"}])";

struct Dialect {
  const char* path;
  const char* prompt;  // and what else must be there
};
constexpr Dialect kDialects[] = {
    {"/v1/chat/completions", kChatFields},
    {"/v1/completions", R"("prompt":"Hi")"},
    {"/v1/responses", R"("input":"Hi")"},
    {"/v1/messages", R"("max_tokens":4,"messages":[{"role":"user","content":"Hi"}])"},
};

// Long enough that what has come is late.
void WaitUntilLate() {
  const Clock::time_point now = Clock::now();
  while (Clock::now() <= now + std::chrono::milliseconds(1)) {
  }
}

class TimeoutApiTest : public ApiFixture {
 protected:
  void SetUp() override {
    work_executor_ = &held_;
    engine_->SetAnswer({.tokens = TokensThenEos("one")});
    StartHttp();
    auto front = GrpcFront::Start({}, {inference_.service()});
    ASSERT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    stub_ = v1::Inference::NewStub(grpc::CreateChannel(fmt::format("127.0.0.1:{}", front_->port()),
                                                       grpc::InsecureChannelCredentials()));
  }
  void TearDown() override { front_->Shutdown(std::chrono::milliseconds(0)); }

  // The status of the answer to a request that a thread began to read only when `wait` had
  // returned.
  int AskHeld(const Dialect& dialect, double timeout, void (*wait)()) {
    auto status = std::async(std::launch::async, [&] {
      return Ask(testing::Post(dialect.path,
                               fmt::format(R"({{{},"timeout":{}}})", dialect.prompt, timeout)))
          .status;
    });
    EXPECT_TRUE(held_.WaitForWork());
    wait();
    let_go_ = Clock::now();
    EXPECT_TRUE(held_.RunOne());
    return status.get();
  }
  grpc::StatusCode CallHeld(double timeout, void (*wait)()) {
    v1::GenerateRequest request;
    request.set_text("Hi");
    request.set_timeout(timeout);
    grpc::ClientContext context;
    const auto reader = stub_->Generate(&context, request);
    EXPECT_TRUE(held_.WaitForWork());
    wait();
    let_go_ = Clock::now();
    EXPECT_TRUE(held_.RunOne());
    for (v1::GenerateResponse response; reader->Read(&response);) {
    }
    return reader->Finish().error_code();
  }

  testing::HeldExecutor held_;
  InferenceService inference_{context_, held_};
  std::unique_ptr<GrpcFront> front_;
  std::unique_ptr<v1::Inference::Stub> stub_;
  Clock::time_point let_go_;
};

TEST_F(TimeoutApiTest, RunsFromWhenTheRequestHadCome) {
  const auto wait = [] {};
  for (const Dialect& dialect : kDialects) {
    EXPECT_EQ(AskHeld(dialect, 3600, wait), 200) << dialect.path;
    EXPECT_LT(engine_->last_request().arrived, let_go_) << dialect.path;
  }
  EXPECT_EQ(CallHeld(3600, wait), grpc::OK);
  EXPECT_LT(engine_->last_request().arrived, let_go_);
}

TEST_F(TimeoutApiTest, WhatIsLateAlreadyIsNotBegun) {
  for (const Dialect& dialect : kDialects) {
    EXPECT_EQ(AskHeld(dialect, 0.001, WaitUntilLate), 504) << dialect.path;
  }
  EXPECT_EQ(CallHeld(0.001, WaitUntilLate), grpc::DEADLINE_EXCEEDED);
  EXPECT_EQ(engine_->num_submitted(), 0);
}

}  // namespace
}  // namespace switchyard::gateway
