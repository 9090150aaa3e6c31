// The CPU backend's threads: every region's work is done when it returns, whoever came to
// do it, whether they spin or sleep.
#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace switchyard::kernels::cpu {
namespace {

TEST(ThreadPoolTest, ARegionEndsWithAllWorkDone) {
  ThreadPool pool({.num_threads = 5});
  std::vector<int> calls(40, 0);  // each written by who took it, read by the caller after
  for (int region = 0; region < 1000; ++region) {
    pool.ResetCounter();
    pool.Run([&](int thread) {
      ASSERT_LT(thread, 5);
      for (int64_t i = pool.Take(1); i < 40; i = pool.Take(1)) ++calls[static_cast<size_t>(i)];
    });
  }
  EXPECT_EQ(calls, std::vector<int>(40, 1000));
}

TEST(ThreadPoolTest, WhoBeganIsWaitedFor) {
  ThreadPool pool({.num_threads = 2});
  for (int region = 0; region < 100; ++region) {
    std::atomic<bool> inside{false}, left{false};
    pool.Run([&](int thread) {
      if (thread == 0) {
        while (!inside) std::this_thread::yield();
      } else if (!inside) {
        inside = true;
        for (int i = 0; i < 100; ++i) std::this_thread::yield();  // the caller is through
        left = true;
      }
    });
    ASSERT_TRUE(left);
  }
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
    pool.ForEach(8, 1, [&](int64_t i) { part += i; });
    sum += part;
    if (region % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(sum, 500 * 28);
}

TEST(ThreadPoolTest, OneThreadIsTheCaller) {
  ThreadPool pool({.num_threads = 1});
  std::thread::id ran;
  pool.Run([&](int) { ran = std::this_thread::get_id(); });
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST(ThreadPoolTest, PinnedThreadsWorkToo) {
  ThreadPool pool({.num_threads = 3, .first_cpu = 1});
  std::atomic<int64_t> sum{0};
  std::thread([&] { pool.ForEach(9, 1, [&](int64_t i) { sum += i; }); }).join();  // pins its caller
  EXPECT_EQ(sum, 36);
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
