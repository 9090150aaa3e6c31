#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace switchyard {
namespace {

using Clock = std::chrono::steady_clock;

Clock::time_point Soon() { return Clock::now() + std::chrono::seconds(20); }

TEST(BoundedQueueTest, RefusesWhatIsOverItsLimitAndLeavesItUntouched) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(queue.TryPush(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
  queue.Push(std::move(second));  // must not be lost
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(**queue.Pop(Soon()), 1);
  EXPECT_EQ(**queue.Pop(Soon()), 2);
}

TEST(BoundedQueueTest, PopGivesUpAtItsDeadline) {
  BoundedQueue<int> queue(1);
  EXPECT_FALSE(queue.Pop(Clock::now()).has_value());
  EXPECT_FALSE(queue.Pop(Clock::now() + std::chrono::milliseconds(5)).has_value());
}

TEST(BoundedQueueTest, CloseKeepsWhatIsInsideAndRefusesTheRest) {
  BoundedQueue<int> queue(4);
  EXPECT_TRUE(queue.TryPush(1));
  queue.Close();
  EXPECT_FALSE(queue.TryPush(2));
  queue.Push(3);
  EXPECT_TRUE(queue.closed());
  EXPECT_EQ(queue.Pop(Soon()), 1);
  EXPECT_FALSE(queue.Pop(Soon()).has_value());  // at once
}

TEST(BoundedQueueTest, CloseWakesWhoeverWaits) {
  BoundedQueue<int> queue(1);
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] { EXPECT_FALSE(queue.Pop(Soon()).has_value()); });
  }
  queue.Close();
  for (std::thread& reader : readers) reader.join();
}

TEST(BoundedQueueTest, ManyThreadsLoseAndDoubleNothing) {
  constexpr int kThreads = 4, kItems = 2000;
  BoundedQueue<int> queue(8);
  std::vector<std::vector<int>> popped(kThreads);
  std::vector<std::thread> writers, readers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < kItems; ++i) {
        while (!queue.TryPush(t * kItems + i)) std::this_thread::yield();
      }
    });
    readers.emplace_back([&, t] {
      while (const std::optional<int> item = queue.Pop(Soon())) popped[t].push_back(*item);
    });
  }
  for (std::thread& writer : writers) writer.join();
  queue.Close();
  for (std::thread& reader : readers) reader.join();

  std::vector<int> times_seen(kThreads * kItems, 0);
  for (const std::vector<int>& items : popped) {
    for (const int item : items) ++times_seen[item];
  }
  EXPECT_EQ(times_seen, std::vector<int>(kThreads * kItems, 1));
}

}  // namespace
}  // namespace switchyard
