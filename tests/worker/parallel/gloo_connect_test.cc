// How long a CPU's rank waits for peers that do not come.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "worker/parallel/gloo_collectives.h"

namespace switchyard::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// A peer's view of the table: what it puts is seen, what others put it never learns. So it has an
// address where it listens, and never connects.
class DeafStore final : public RendezvousStore {
 public:
  explicit DeafStore(RendezvousStore& store) : store_(store) {}
  absl::Status Put(std::string_view key, std::string_view value) override {
    return store_.Put(key, value);
  }
  absl::StatusOr<std::string> Wait(std::string_view, Deadline deadline) override {
    return store_.Wait("nobody sets this", deadline);
  }

 private:
  RendezvousStore& store_;
};

absl::Status Connect(RendezvousStore& store, int rank, const std::function<bool()>& given_up) {
  SY_ASSIGN_OR_RETURN(const auto device, OpenGlooDevice({}));
  return ConnectGloo(device, store,
                     {.name = "two",
                      .rank = rank,
                      .size = 2,
                      .connect_timeout = seconds(60),
                      .given_up = given_up})
      .status();
}

// Tells a rank to give up after it has waited a little; how long it took to hear that.
Clock::duration GiveUp(RendezvousStore& store, int rank) {
  std::atomic<bool> over{false};
  Clock::time_point told;
  std::jthread teller([&] {
    std::this_thread::sleep_for(milliseconds(300));
    told = Clock::now();
    over = true;
  });
  const absl::Status status = Connect(store, rank, [&over] { return over.load(); });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  teller.join();
  return Clock::now() - told;
}

TEST(GlooConnect, WhoeverWaitsForAnAddressCanBeToldToGiveUp) {
  for (const int rank : {0, 1}) {
    LocalRendezvous store;
    EXPECT_LT(GiveUp(store, rank), seconds(20)) << rank;
  }
}

// The one side of a connection listens, the other dials.
TEST(GlooConnect, WhoeverWaitsForAConnectionCanBeToldToGiveUp) {
  for (const int rank : {0, 1}) {
    LocalRendezvous store;
    DeafStore deaf(store);
    std::atomic<bool> over{false};
    std::jthread peer([&] {
      const absl::Status status = Connect(deaf, 1 - rank, [&over] { return over.load(); });
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
    });
    EXPECT_LT(GiveUp(store, rank), seconds(20)) << rank;
    over = true;
  }
}

}  // namespace
}  // namespace switchyard::worker
