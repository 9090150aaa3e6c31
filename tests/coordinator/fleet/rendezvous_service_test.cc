#include "coordinator/fleet/rendezvous_service.h"

#include <gtest/gtest.h>

#include <future>

#include "proto/status_codes.h"
#include "tests/testing/local_server.h"

namespace switchyard::fleet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RendezvousServiceTest : public ::testing::Test {
 protected:
  absl::Status Put(const std::string& key, const std::string& value) {
    grpc::ClientContext context;
    v1::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    v1::PutResponse response;
    return FromGrpc(stub_->Put(&context, request, &response));
  }

  absl::StatusOr<std::string> Wait(const std::string& key, milliseconds timeout = seconds(20)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    return Wait(key, context);
  }
  absl::StatusOr<std::string> Wait(const std::string& key, grpc::ClientContext& context) {
    v1::WaitRequest request;
    request.set_key(key);
    v1::WaitResponse response;
    SY_RETURN_IF_ERROR(FromGrpc(stub_->Wait(&context, request, &response)));
    return response.value();
  }

  RendezvousService service_;
  testing::LocalServer server_{{&service_}};
  const std::unique_ptr<v1::Rendezvous::Stub> stub_ = v1::Rendezvous::NewStub(server_.NewChannel());
};

TEST_F(RendezvousServiceTest, WaitersBeforeAndAfterThePutGetTheValue) {
  std::vector<std::future<absl::StatusOr<std::string>>> early;
  for (int i = 0; i < 3; ++i) {
    early.push_back(std::async(std::launch::async, [this] { return Wait("ring/0"); }));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(Wait("ring/1", milliseconds(20)).status()));
  ASSERT_TRUE(Put("ring/0", std::string("\0\xff", 2)).ok());
  for (auto& waiter : early) EXPECT_EQ(waiter.get().value(), std::string("\0\xff", 2));
  EXPECT_EQ(Wait("ring/0").value(), std::string("\0\xff", 2));
}

TEST_F(RendezvousServiceTest, ExpiredWaitLeavesTheTableInOrder) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(Wait("late", milliseconds(20)).status()));
  ASSERT_TRUE(Put("late", "here").ok());
  EXPECT_EQ(Wait("late").value(), "here");
}

TEST_F(RendezvousServiceTest, KeyIsSetOnce) {
  ASSERT_TRUE(Put("key", "a").ok());
  EXPECT_TRUE(Put("key", "a").ok());  // a repeated call
  EXPECT_TRUE(absl::IsAlreadyExists(Put("key", "b")));
  EXPECT_EQ(Wait("key").value(), "a");
  service_.Clear();
  EXPECT_TRUE(Put("key", "b").ok());
  EXPECT_EQ(Wait("key").value(), "b");
}

TEST_F(RendezvousServiceTest, SizesAreBounded) {
  EXPECT_TRUE(absl::IsInvalidArgument(Put("", "a")));
  EXPECT_TRUE(absl::IsInvalidArgument(Put(std::string(257, 'k'), "a")));
  EXPECT_TRUE(Put(std::string(256, 'k'), std::string(RendezvousService::kMaxValueBytes, 'v')).ok());
  EXPECT_TRUE(
      absl::IsInvalidArgument(Put("key", std::string(RendezvousService::kMaxValueBytes + 1, 'v'))));
  EXPECT_TRUE(absl::IsInvalidArgument(Wait(std::string(257, 'k')).status()));
}

TEST_F(RendezvousServiceTest, TableIsBounded) {
  const std::string value(RendezvousService::kMaxValueBytes, 'v');
  absl::Status status;
  size_t num_stored = 0;
  for (; status.ok() && num_stored < 300; ++num_stored) {
    status = Put("key-" + std::to_string(num_stored), value);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(num_stored, RendezvousService::kMaxTableBytes / value.size());
  service_.Clear();
  EXPECT_TRUE(Put("key", value).ok());
}

TEST_F(RendezvousServiceTest, CancelEndsOpenAndLaterWaits) {
  auto open = std::async(std::launch::async, [this] { return Wait("never"); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(Wait("never", milliseconds(50)).status()));
  service_.Cancel();
  EXPECT_TRUE(absl::IsCancelled(open.get().status()));
  EXPECT_TRUE(absl::IsCancelled(Wait("never").status()));
}

TEST_F(RendezvousServiceTest, CallerMayGoAway) {
  grpc::ClientContext context;
  auto open = std::async(std::launch::async, [&] { return Wait("never", context); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(Wait("never", milliseconds(50)).status()));
  context.TryCancel();
  EXPECT_TRUE(absl::IsCancelled(open.get().status()));
  EXPECT_TRUE(Put("never", "now").ok());
}

}  // namespace
}  // namespace switchyard::fleet
