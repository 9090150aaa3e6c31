#include "worker/parallel/rendezvous.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace switchyard::worker {
namespace {

using Clock = std::chrono::steady_clock;

TEST(LocalRendezvousTest, AWaitEndsWhenAnotherThreadSetsTheKey) {
  LocalRendezvous store;
  std::jthread writer([&] { EXPECT_TRUE(store.Put("world/1", "address").ok()); });
  const auto value = store.Wait("world/1", Clock::now() + std::chrono::minutes(1));
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(*value, "address");
}

TEST(LocalRendezvousTest, AKeyIsSetOnce) {
  LocalRendezvous store;
  EXPECT_TRUE(store.Put("key", "one").ok());
  EXPECT_TRUE(store.Put("key", "one").ok()) << "a repeated message is no error";
  EXPECT_EQ(store.Put("key", "two").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*store.Wait("key", Clock::now()), "one");
}

TEST(LocalRendezvousTest, AMissingKeyIsNamedAtTheDeadline) {
  LocalRendezvous store;
  const absl::Status status = store.Wait("world/3", Clock::now()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(Message(status)), ::testing::HasSubstr("world/3"));
}

TEST(LocalRendezvousTest, CancelEndsAPendingWait) {
  LocalRendezvous store;
  std::jthread canceller([&] { store.Cancel(); });
  EXPECT_EQ(store.Wait("key", Clock::now() + std::chrono::minutes(1)).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(LocalRendezvousTest, SizesAreBounded) {
  LocalRendezvous store;
  EXPECT_EQ(store.Put(std::string(257, 'k'), "").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Put("key", std::string(kMiB + 1, 'v')).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace switchyard::worker
