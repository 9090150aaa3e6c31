// How communicators begin and end: aborts, splits, shrinks, non-blocking ones, wrong arguments.
#include <gtest/gtest.h>
#include <nccl.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/emulator/nccl/ranks.h"
#include "tests/emulator/nccl/test_runtime.h"

namespace emu {
namespace {

ncclConfig_t NonBlocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  return config;
}

float SumOfOnes(const Rank& self, ncclComm_t comm) {
  float value = 1;
  EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, comm, self.stream), ncclSuccess);
  self.Synchronize();
  return value;
}

TEST(Abort, EndsACollectiveThatOthersNeverJoin) {
  RunRanks(
      2,
      [](Rank& self) {
        if (self.rank == 1) return;
        float value = 1;
        ASSERT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream),
                  ncclSuccess);
        ncclResult_t state = ncclInternalError;
        EXPECT_EQ(ncclCommGetAsyncError(self.comm, &state), ncclSuccess);
        EXPECT_EQ(state, ncclSuccess) << "waiting is no error";
      },
      Ending::kAbort);  // its stream ends afterwards, which waits for the collective
}

TEST(Abort, WakesARankThatWaitsInTheMiddle) {
  std::promise<void> came;
  RunRanks(
      2,
      [&](Rank& self) {
        int32_t values[2] = {1, 2};
        if (self.rank == 1) {
          ASSERT_EQ(ncclRecv(values, 1, ncclInt32, 0, self.comm, self.stream), ncclSuccess);
          self.Synchronize();
          came.set_value();
          return;
        }
        ASSERT_EQ(ncclGroupStart(), ncclSuccess);
        ncclSend(&values[0], 1, ncclInt32, 1, self.comm, self.stream);
        ncclRecv(&values[1], 1, ncclInt32, 1, self.comm, self.stream);
        ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
        came.get_future().wait();  // half of the group is done
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        EXPECT_EQ(ncclCommAbort(self.comm), ncclSuccess);
        self.Synchronize();
        EXPECT_EQ(values[1], 2);
        self.comm = nullptr;
      },
      Ending::kAbort);
}

TEST(Abort, EndsWaitingForRanksThatNeverCome) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ncclConfig_t config = NonBlocking();
  ncclComm_t comm = nullptr;
  ASSERT_EQ(ncclCommInitRankConfig(&comm, 2, id, 0, &config), ncclInProgress);
  ncclResult_t state = ncclSuccess;
  ASSERT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
  EXPECT_EQ(state, ncclInProgress);
  EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  EXPECT_EQ(ncclCommAbort(comm), ncclInvalidArgument) << "it is gone";
}

TEST(Abort, LeavesAReplayedOperationWithoutEffect) {
  float value = 1;
  std::vector<std::function<void()>> graph;
  CUstream_st stream;
  RunRanks(
      1,
      [&](Rank& self) {
        stream.BeginCapture();
        ASSERT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, &stream),
                  ncclSuccess);
        graph = stream.EndCapture();
      },
      Ending::kAbort);
  for (const auto& run : graph) stream.Enqueue(run);
  stream.Synchronize();
}

TEST(Destroy, LeavesAReplayedOperationWithoutEffectAndSaysSo) {
  float value = 1;
  std::vector<std::function<void()>> graph;
  CUstream_st stream;
  RunRanks(1, [&](Rank& self) {
    stream.BeginCapture();
    ASSERT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, &stream),
              ncclSuccess);
    graph = stream.EndCapture();
  });
  testing::internal::CaptureStderr();
  for (const auto& run : graph) stream.Enqueue(run);
  stream.Synchronize();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("was destroyed (rank 0)"),
            std::string::npos);
}

class NonBlockingComm : public testing::TestWithParam<int> {};

TEST_P(NonBlockingComm, EnqueuesWhenItsStateIsAsked) {
  const ncclConfig_t config = NonBlocking();
  RunRanks(
      GetParam(),
      [](Rank& self) {
        float value = 1;
        const auto call = [&] {
          return ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream);
        };
        ASSERT_EQ(call(), ncclInProgress);
        EXPECT_EQ(self.stream->enqueued(), 0u);
        EXPECT_EQ(call(), ncclInvalidArgument) << "the first call is not complete";
        ASSERT_EQ(AwaitState(self.comm), ncclSuccess);
        self.Synchronize();
        EXPECT_EQ(value, static_cast<float>(self.num_ranks));
        ASSERT_EQ(ncclCommFinalize(self.comm), ncclInProgress);
        ASSERT_EQ(AwaitState(self.comm), ncclSuccess);
      },
      Ending::kDestroy, &config);
}
INSTANTIATE_TEST_SUITE_P(Ranks, NonBlockingComm, testing::Values(1, 2, 4),
                         [](const auto& info) { return std::to_string(info.param); });

TEST(Split, ByColourAndKey) {
  RunRanks(8, [](Rank& self) {
    // Even and odd ranks, in reverse order; rank 7 takes no part.
    const int color = self.rank == 7 ? NCCL_SPLIT_NOCOLOR : self.rank % 2;
    ncclComm_t half = nullptr;
    ASSERT_EQ(ncclCommSplit(self.comm, color, -self.rank, &half, nullptr), ncclSuccess)
        << ncclGetLastError(nullptr);
    if (self.rank == 7) {
      EXPECT_EQ(half, nullptr);
      return;
    }
    int rank = -1;
    int count = -1;
    ASSERT_EQ(ncclCommUserRank(half, &rank), ncclSuccess);
    ASSERT_EQ(ncclCommCount(half, &count), ncclSuccess);
    EXPECT_EQ(count, color == 0 ? 4 : 3);
    EXPECT_EQ(rank, ((color == 0 ? 6 : 5) - self.rank) / 2);
    int32_t gathered[4] = {};
    ASSERT_EQ(ncclAllGather(&self.rank, gathered, 1, ncclInt32, half, self.stream), ncclSuccess);
    self.Synchronize();
    for (int r = 0; r < count; ++r) EXPECT_EQ(gathered[r], (color == 0 ? 6 : 5) - 2 * r);
    EXPECT_EQ(ncclCommDestroy(half), ncclSuccess);
  });
}

TEST(Split, ManyTimesWhileTheParentWorks) {
  RunRanks(4, [](Rank& self) {
    for (int i = 0; i < 10; ++i) {
      float value = 1;
      ASSERT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream),
                ncclSuccess);
      ncclComm_t part = nullptr;
      ASSERT_EQ(ncclCommSplit(self.comm, self.rank / 2, 0, &part, nullptr), ncclSuccess);
      EXPECT_EQ(SumOfOnes(self, part), 2);
      EXPECT_EQ(value, 4);
      EXPECT_EQ(ncclCommDestroy(part), ncclSuccess);
    }
  });
}

TEST(Split, WithoutBlocking) {
  RunRanks(4, [](Rank& self) {
    ncclConfig_t config = NonBlocking();
    ncclComm_t part = nullptr;
    ASSERT_EQ(ncclCommSplit(self.comm, self.rank % 2, 0, &part, &config), ncclInProgress);
    ASSERT_EQ(AwaitState(part), ncclSuccess);
    int count = 0;
    EXPECT_EQ(ncclCommCount(part, &count), ncclSuccess);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(ncclCommDestroy(part), ncclSuccess);
  });
}

TEST(Shrink, GoesOnWithoutTheExcludedRanks) {
  RunRanks(
      4,
      [](Rank& self) {
        // Rank 1 is stuck elsewhere; the others wait for it in a collective until they give it up.
        if (self.rank == 1) return;
        float value = 1;
        ASSERT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream),
                  ncclSuccess);
        int excluded = 1;
        ncclComm_t rest = nullptr;
        ASSERT_EQ(ncclCommShrink(self.comm, &excluded, 1, &rest, nullptr, NCCL_SHRINK_ABORT),
                  ncclSuccess)
            << ncclGetLastError(nullptr);
        EXPECT_EQ(SumOfOnes(self, rest), 3);
        // The same again: its ranks must not meet in what the first shrink left behind.
        ncclComm_t again = nullptr;
        ASSERT_EQ(ncclCommShrink(self.comm, &excluded, 1, &again, nullptr, NCCL_SHRINK_ABORT),
                  ncclSuccess)
            << ncclGetLastError(nullptr);
        EXPECT_EQ(SumOfOnes(self, again), 3);
        EXPECT_EQ(ncclCommDestroy(again), ncclSuccess);
        // And once more, with the same list, from the smaller communicator.
        ncclComm_t pair = nullptr;
        int rank = -1;
        EXPECT_EQ(ncclCommUserRank(rest, &rank), ncclSuccess);
        if (rank != 1) {
          ASSERT_EQ(ncclCommShrink(rest, &excluded, 1, &pair, nullptr, NCCL_SHRINK_DEFAULT),
                    ncclSuccess);
          EXPECT_EQ(SumOfOnes(self, pair), 2);
          EXPECT_EQ(ncclCommDestroy(pair), ncclSuccess);
        }
        EXPECT_EQ(ncclCommDestroy(rest), ncclSuccess);
      },
      Ending::kAbort);
}

TEST(Revoke, StopsWhatRunsAndRefusesMore) {
  RunRanks(2, [](Rank& self) {
    float value = 1;
    if (self.rank == 0) {
      ASSERT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream),
                ncclSuccess);
    }
    ASSERT_EQ(ncclCommRevoke(self.comm, NCCL_REVOKE_DEFAULT), ncclSuccess);
    self.Synchronize();
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream),
              ncclInvalidUsage);
    EXPECT_EQ(ncclCommFinalize(self.comm), ncclInvalidUsage);
    ncclComm_t next = nullptr;
    ASSERT_EQ(ncclCommSplit(self.comm, 0, self.rank, &next, nullptr), ncclSuccess);
    EXPECT_EQ(SumOfOnes(self, next), 2);
    EXPECT_EQ(ncclCommDestroy(next), ncclSuccess);
  });
}

TEST(Init, RefusesTwoRanksOfAProcessOnOneDevice) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::vector<std::thread> threads;
  for (int r = 0; r < 2; ++r) {
    threads.emplace_back([&id, r] {
      ncclComm_t comm = nullptr;
      EXPECT_EQ(ncclCommInitRank(&comm, 2, id, r), ncclInvalidUsage);
      EXPECT_EQ(comm, nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_STREQ(ncclGetLastError(nullptr), "ranks 0 and 1 of one process both use device 0");
}

TEST(Init, RefusesWrongArguments) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ncclComm_t comm = nullptr;
  EXPECT_EQ(ncclCommInitRank(&comm, 2, id, 2), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitRank(&comm, 0, id, 0), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitRank(nullptr, 1, id, 0), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitRank(&comm, 1, ncclUniqueId{}, 0), ncclInvalidArgument);
  ncclConfig_t config = {};
  EXPECT_EQ(ncclCommInitRankConfig(&comm, 1, id, 0, &config), ncclInvalidArgument);
  const int devices[] = {0, 0};
  ncclComm_t comms[2];
  EXPECT_EQ(ncclCommInitAll(comms, 2, devices), ncclInvalidUsage);
}

TEST(Init, OneIdMakesOneCommunicator) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ncclComm_t comm = nullptr;
  ncclComm_t again = nullptr;
  ASSERT_EQ(ncclCommInitRank(&comm, 1, id, 0), ncclSuccess);
  EXPECT_NE(ncclCommInitRank(&again, 1, id, 0), ncclSuccess);
  EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
}

TEST(Init, TakesOneOfSeveralIds) {
  ncclUniqueId ids[2];
  ASSERT_EQ(ncclGetUniqueId(&ids[0]), ncclSuccess);
  ASSERT_EQ(ncclGetUniqueId(&ids[1]), ncclSuccess);
  std::vector<std::thread> threads;
  for (int r = 0; r < 2; ++r) {
    threads.emplace_back([&ids, r] {
      cudaSetDevice(r);
      ncclComm_t comm = nullptr;
      EXPECT_EQ(ncclCommInitRankScalable(&comm, 2, r, 2, ids, nullptr), ncclSuccess);
      EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Small, CallsAnswerAsTheHeaderSays) {
  int version = 0;
  EXPECT_EQ(ncclGetVersion(&version), ncclSuccess);
  EXPECT_EQ(version, NCCL_VERSION_CODE);
  EXPECT_EQ(pncclGetVersion(&version), ncclSuccess);
  EXPECT_STREQ(ncclGetErrorString(ncclSuccess), "no error");
  void* memory = nullptr;
  ASSERT_EQ(ncclMemAlloc(&memory, 64), ncclSuccess);
  RunRanks(1, [memory](Rank& self) {
    void* registration = nullptr;
    ASSERT_EQ(ncclCommRegister(self.comm, memory, 64, &registration), ncclSuccess);
    EXPECT_EQ(ncclCommDeregister(self.comm, registration), ncclSuccess);
    EXPECT_EQ(ncclCommDeregister(self.comm, registration), ncclInvalidArgument);
  });
  EXPECT_EQ(ncclMemFree(memory), ncclSuccess);
}

}  // namespace
}  // namespace emu
