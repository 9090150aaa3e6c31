// The CPU backend's threads: every region runs once on each of them, whether they spin or sleep.
#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace switchyard::kernels::cpu {
namespace {

TEST(ThreadPoolTest, ARegionRunsOnceOnEveryThread) {
  ThreadPool pool({.num_threads = 5});
  std::vector<int> calls(5, 0);  // each thread writes its own, the caller reads after
  for (int region = 0; region < 1000; ++region) pool.Run([&](int thread) { ++calls[thread]; });
  EXPECT_EQ(calls, std::vector<int>(5, 1000));
}

TEST(ThreadPoolTest, ForEachVisitsEveryIndexOnce) {
  ThreadPool pool({.num_threads = 3});
  for (const int64_t count : {0, 1, 2, 7, 1000}) {
    for (const int64_t grain : {1, 3, 64}) {
      std::vector<int> visits(static_cast<size_t>(count), 0);
      pool.ForEach(count, grain, [&](int64_t i) { ++visits[static_cast<size_t>(i)]; });
      EXPECT_EQ(visits, std::vector<int>(static_cast<size_t>(count), 1)) << count << ' ' << grain;
    }
  }
}

TEST(ThreadPoolTest, ThreadsThatParkedWakeForTheNextRegion) {
  ThreadPool pool({.num_threads = 4, .spin_us = 0});
  int64_t sum = 0;
  for (int region = 0; region < 500; ++region) {
    std::atomic<int64_t> part{0};
    pool.Run([&](int thread) { part += thread; });
    sum += part;
    if (region % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(sum, 500 * (0 + 1 + 2 + 3));
}

TEST(ThreadPoolTest, OneThreadIsTheCaller) {
  ThreadPool pool({.num_threads = 1});
  std::thread::id ran;
  pool.Run([&](int) { ran = std::this_thread::get_id(); });
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST(ThreadPoolTest, PinnedThreadsWorkToo) {
  ThreadPool pool({.num_threads = 3, .first_cpu = 1});
  std::atomic<int> calls{0};
  std::thread([&] { pool.Run([&](int) { ++calls; }); }).join();  // pins its caller: not this thread
  EXPECT_EQ(calls, 3);
}

TEST(ThreadPoolTest, PoolsComeAndGo) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool({.num_threads = 4, .spin_us = i % 2 * 50});
    if (i % 3 != 0) pool.Run([](int) {});
  }
}

TEST(ThreadPoolDeathTest, ARegionInsideARegionIsABug) {
  EXPECT_DEATH(
      {
        ThreadPool pool({.num_threads = 2});
        pool.Run([&](int thread) {
          if (thread == 0) pool.Run([](int) {});
        });
      },
      "inside a parallel region");
}

}  // namespace
}  // namespace switchyard::kernels::cpu
