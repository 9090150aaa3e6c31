// Sends and receives in groups, in orders that would deadlock one by one; several communicators and
// devices in one thread; streams and graphs.
#include <gtest/gtest.h>
#include <nccl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/emulator/nccl/ranks.h"
#include "tests/emulator/nccl/test_runtime.h"

namespace emu {
namespace {

using Words = std::vector<int32_t>;

Words Message(size_t count, int from, int to) {
  Words words(count);
  std::iota(words.begin(), words.end(), from * 1'000'000 + to * 10'000);
  return words;
}

class Groups : public testing::TestWithParam<int> {};

// Every rank sends to and receives from every rank, itself included, sizes growing with the pair,
// the larger ones many times a channel's capacity; sends first, receives last, in opposite orders.
TEST_P(Groups, AllToAllOfUnevenSizesInAnyOrder) {
  RunRanks(GetParam(), [](Rank& self) {
    const auto count_of = [](int from, int to) {
      return static_cast<size_t>(from * 20'011 + to * 3'001);
    };
    std::vector<Words> sent;
    std::vector<Words> received;
    for (int peer = 0; peer < self.num_ranks; ++peer) {
      sent.push_back(Message(count_of(self.rank, peer), self.rank, peer));
      received.emplace_back(count_of(peer, self.rank), -1);
    }
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    for (int peer = self.num_ranks - 1; peer >= 0; --peer) {
      Words& words = sent[static_cast<size_t>(peer)];
      ASSERT_EQ(ncclSend(words.data(), words.size(), ncclInt32, peer, self.comm, self.stream),
                ncclSuccess);
    }
    for (int peer = 0; peer < self.num_ranks; ++peer) {
      Words& words = received[static_cast<size_t>(peer)];
      ASSERT_EQ(ncclRecv(words.data(), words.size(), ncclInt32, peer, self.comm, self.stream),
                ncclSuccess);
    }
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
    self.Synchronize();
    for (int peer = 0; peer < self.num_ranks; ++peer) {
      ASSERT_EQ(received[static_cast<size_t>(peer)],
                Message(count_of(peer, self.rank), peer, self.rank));
    }
  });
}

TEST_P(Groups, MessagesOfOnePairKeepTheirOrder) {
  RunRanks(GetParam(), [](Rank& self) {
    constexpr int kNumMessages = 20;
    const int next = (self.rank + 1) % self.num_ranks;
    const int previous = (self.rank + self.num_ranks - 1) % self.num_ranks;
    std::vector<int64_t> sent(kNumMessages);
    std::vector<int64_t> received(kNumMessages, -1);
    std::iota(sent.begin(), sent.end(), self.rank * 100);
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    for (size_t i = 0; i < kNumMessages; ++i) {
      ncclRecv(&received[i], 1, ncclInt64, previous, self.comm, self.stream);
      ncclSend(&sent[i], 1, ncclInt64, next, self.comm, self.stream);
    }
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
    self.Synchronize();
    for (int i = 0; i < kNumMessages; ++i) {
      ASSERT_EQ(received[static_cast<size_t>(i)], previous * 100 + i);
    }
  });
}

TEST_P(Groups, MayMixCollectivesAndMessages) {
  RunRanks(GetParam(), [](Rank& self) {
    float sum = 1;
    float largest = static_cast<float>(self.rank);
    const float mine = static_cast<float>(self.rank);
    float neighbour = -1;
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    ncclAllReduce(&sum, &sum, 1, ncclFloat, ncclSum, self.comm, self.stream);
    ncclSend(&mine, 1, ncclFloat, (self.rank + 1) % self.num_ranks, self.comm, self.stream);
    ncclAllReduce(&largest, &largest, 1, ncclFloat, ncclMax, self.comm, self.stream);
    ncclRecv(&neighbour, 1, ncclFloat, (self.rank + self.num_ranks - 1) % self.num_ranks, self.comm,
             self.stream);
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
    self.Synchronize();
    EXPECT_EQ(sum, static_cast<float>(self.num_ranks));
    EXPECT_EQ(largest, static_cast<float>(self.num_ranks - 1));
    EXPECT_EQ(neighbour, static_cast<float>((self.rank + self.num_ranks - 1) % self.num_ranks));
  });
}

TEST_P(Groups, OperationsOfOneCommunicatorKeepTheirOrderOverStreams) {
  RunRanks(GetParam(), [](Rank& self) {
    CUstream_st other;
    int64_t value = 1;
    int64_t copy = 0;
    int64_t expected = 1;
    // Sums on a slow stream, copies of them on another.
    for (int i = 0; i < 10; ++i) {
      self.stream->Enqueue([] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); });
      ncclAllReduce(&value, &value, 1, ncclInt64, ncclSum, self.comm, self.stream);
      expected *= self.num_ranks;
      ASSERT_EQ(ncclBroadcast(&value, &copy, 1, ncclInt64, 0, self.comm, &other), ncclSuccess);
      other.Synchronize();
      ASSERT_EQ(copy, expected);
    }
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);  // one group on two streams: both wait for all of it
    ncclBroadcast(&value, &copy, 1, ncclInt64, 0, self.comm, &other);
    ncclAllReduce(&value, &value, 1, ncclInt64, ncclSum, self.comm, self.stream);
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
    self.Synchronize();
    EXPECT_EQ(copy, expected);
    EXPECT_EQ(value, expected * self.num_ranks);
    other.Synchronize();
  });
}

TEST_P(Groups, CapturedOperationsRunAtEveryReplay) {
  RunRanks(GetParam(), [](Rank& self) {
    int32_t value = 1;
    self.stream->BeginCapture();
    ASSERT_EQ(ncclAllReduce(&value, &value, 1, ncclInt32, ncclSum, self.comm, self.stream),
              ncclSuccess);
    const auto graph = self.stream->EndCapture();
    EXPECT_EQ(value, 1) << "ran while it was captured";
    for (int replay = 0; replay < 3; ++replay) {
      for (const auto& run : graph) self.stream->Enqueue(run);
    }
    self.Synchronize();
    EXPECT_EQ(value, self.num_ranks * self.num_ranks * self.num_ranks);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, Groups, testing::Values(1, 2, 4, 8),
                         [](const auto& info) { return std::to_string(info.param); });

TEST(OneThread, DrivesSeveralDevices) {
  constexpr int kNumDevices = 4;
  std::vector<ncclComm_t> comms(kNumDevices);
  ASSERT_EQ(ncclCommInitAll(comms.data(), kNumDevices, nullptr), ncclSuccess);
  std::vector<std::unique_ptr<CUstream_st>> streams;
  std::vector<float> values = {1, 2, 3, 4};
  for (int d = 0; d < kNumDevices; ++d) {
    int device = -1;
    int rank = -1;
    int count = -1;
    EXPECT_EQ(ncclCommCuDevice(comms[static_cast<size_t>(d)], &device), ncclSuccess);
    EXPECT_EQ(ncclCommUserRank(comms[static_cast<size_t>(d)], &rank), ncclSuccess);
    EXPECT_EQ(ncclCommCount(comms[static_cast<size_t>(d)], &count), ncclSuccess);
    EXPECT_EQ(device, d);
    EXPECT_EQ(rank, d);
    EXPECT_EQ(count, kNumDevices);
    streams.push_back(std::make_unique<CUstream_st>());
  }
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  for (size_t d = 0; d < kNumDevices; ++d) {
    ncclAllReduce(&values[d], &values[d], 1, ncclFloat, ncclSum, comms[d], streams[d].get());
  }
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  for (const auto& stream : streams) stream->Synchronize();
  EXPECT_EQ(values, std::vector<float>(kNumDevices, 10));
  for (const ncclComm_t comm : comms) EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
}

TEST(OneThread, MakesItsCommunicatorsInAGroup) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::vector<ncclComm_t> comms(2);
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  for (int d = 0; d < 2; ++d) {
    cudaSetDevice(d);
    ASSERT_EQ(ncclCommInitRank(&comms[static_cast<size_t>(d)], 2, id, d), ncclSuccess);
  }
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  cudaSetDevice(0);
  for (const ncclComm_t comm : comms) EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
}

TEST(GroupErrors, AreThoseOfTheFirstFailedCallAndNothingRuns) {
  RunRanks(1, [](Rank& self) {
    float value = 3;
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream),
              ncclSuccess);
    EXPECT_EQ(ncclSend(&value, 1, ncclFloat, 1, self.comm, self.stream), ncclInvalidArgument);
    EXPECT_EQ(ncclGroupEnd(), ncclInvalidArgument);
    EXPECT_STREQ(ncclGetLastError(nullptr),
                 "Send(count=1, type=float32): root or peer 1 of 1 ranks");
    EXPECT_EQ(ncclGroupEnd(), ncclInvalidUsage) << "closed already";
    EXPECT_EQ(self.stream->enqueued(), 0u);
  });
}

TEST(GroupErrors, ASendToOneselfNeedsItsReceive) {
  RunRanks(1, [](Rank& self) {
    float value = 3;
    EXPECT_EQ(ncclSend(&value, 1, ncclFloat, 0, self.comm, self.stream), ncclInvalidUsage);
    EXPECT_EQ(self.stream->enqueued(), 0u);
  });
}

TEST(GroupErrors, ASimulatedGroupRunsNothing) {
  RunRanks(1, [](Rank& self) {
    float value = 3;
    ncclSimInfo_t info = NCCL_SIM_INFO_INITIALIZER;
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream);
    EXPECT_EQ(ncclGroupSimulateEnd(&info), ncclSuccess);
    EXPECT_EQ(self.stream->enqueued(), 0u);
  });
}

}  // namespace
}  // namespace emu
