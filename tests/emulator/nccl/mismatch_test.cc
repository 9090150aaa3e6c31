// Ranks that do not call the same thing: reported once, by rank and value, on all ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include <mutex>
#include <string>
#include <vector>

#include "tests/emulator/nccl/ranks.h"

namespace emu {
namespace {

using testing::HasSubstr;

// What two ranks got to see after each made its call.
struct Seen {
  std::vector<ncclResult_t> errors = std::vector<ncclResult_t>(2);
  std::vector<std::string> texts = std::vector<std::string>(2);
  std::string printed;
};

Seen AfterCalls(const std::function<void(Rank&)>& call) {
  Seen seen;
  testing::internal::CaptureStderr();
  RunRanks(
      2,
      [&](Rank& self) {
        call(self);
        self.Synchronize();
        const auto rank = static_cast<size_t>(self.rank);
        EXPECT_EQ(ncclCommGetAsyncError(self.comm, &seen.errors[rank]), ncclSuccess);
        seen.texts[rank] = ncclGetLastError(self.comm);
        float value = 0;
        EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, self.comm, self.stream),
                  ncclInvalidUsage)
            << "a failed communicator stays failed";
      },
      Ending::kAbort);
  seen.printed = testing::internal::GetCapturedStderr();
  return seen;
}

void ExpectReport(const Seen& seen, const std::string& text) {
  for (size_t rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(seen.errors[rank], ncclInvalidUsage);
    EXPECT_EQ(seen.texts[rank], text);
  }
  EXPECT_EQ(seen.printed, "switchyard emulator: nccl: " + text + "\n");
}

TEST(Mismatch, OfCounts) {
  float values[4] = {};
  ExpectReport(AfterCalls([&](Rank& self) {
                 ncclAllReduce(values + self.rank, values + self.rank, self.rank == 0 ? 1 : 2,
                               ncclFloat, ncclSum, self.comm, self.stream);
               }),
               "ranks do not agree on collective 1: "
               "rank 0 calls AllReduce(count=1, type=float32, op=sum); "
               "rank 1 calls AllReduce(count=2, type=float32, op=sum)");
}

TEST(Mismatch, OfOperatorsAndTypes) {
  float values[4] = {};
  ExpectReport(AfterCalls([&](Rank& self) {
                 ncclAllReduce(values + self.rank, values + self.rank, 1,
                               self.rank == 0 ? ncclFloat : ncclInt32,
                               self.rank == 0 ? ncclMax : ncclAvg, self.comm, self.stream);
               }),
               "ranks do not agree on collective 1: "
               "rank 0 calls AllReduce(count=1, type=float32, op=max); "
               "rank 1 calls AllReduce(count=1, type=int32, op=average)");
}

TEST(Mismatch, OfRootsInALaterCall) {
  float values[4] = {};
  ExpectReport(AfterCalls([&](Rank& self) {
                 float* mine = values + self.rank * 2;
                 ncclAllGather(mine, mine, 0, ncclFloat, self.comm, self.stream);
                 ncclBroadcast(mine, mine, 1, ncclFloat, self.rank, self.comm, self.stream);
               }),
               "ranks do not agree on collective 2: "
               "rank 0 calls Broadcast(count=1, type=float32, root=0); "
               "rank 1 calls Broadcast(count=1, type=float32, root=1)");
}

TEST(Mismatch, OfKinds) {
  float values[4] = {};
  ExpectReport(AfterCalls([&](Rank& self) {
                 float* mine = values + self.rank * 2;
                 if (self.rank == 0) {
                   ncclAllGather(mine, values, 1, ncclFloat, self.comm, self.stream);
                 } else {
                   ncclAllReduce(mine, mine, 1, ncclFloat, ncclProd, self.comm, self.stream);
                 }
               }),
               "ranks do not agree on collective 1: "
               "rank 0 calls AllGather(count=1, type=float32); "
               "rank 1 calls AllReduce(count=1, type=float32, op=product)");
}

TEST(Mismatch, OfASendAndItsReceive) {
  int64_t values[4] = {};
  ExpectReport(AfterCalls([&](Rank& self) {
                 if (self.rank == 0) {
                   ncclSend(values, 3, ncclInt64, 1, self.comm, self.stream);
                 } else {
                   ncclRecv(values, 2, ncclInt64, 0, self.comm, self.stream);
                 }
               }),
               "calls do not match: rank 0 calls Send(count=3, type=int64) to rank 1, "
               "which calls Recv(count=2, type=int64) from it");
}

TEST(Mismatch, OfASendThatIsShorter) {
  int64_t values[4] = {};
  ExpectReport(AfterCalls([&](Rank& self) {
                 if (self.rank == 0) {
                   ncclSend(values, 1, ncclInt64, 1, self.comm, self.stream);
                 } else {
                   ncclRecv(values, 2, ncclInt64, 0, self.comm, self.stream);
                 }
               }),
               "calls do not match: rank 0 calls Send(count=1, type=int64) to rank 1, "
               "which calls Recv(count=2, type=int64) from it");
}

TEST(Mismatch, OfTypesOfTheSameSize) {
  int64_t values[4] = {};
  ExpectReport(AfterCalls([&](Rank& self) {
                 if (self.rank == 1) {
                   ncclSend(values, 2, ncclInt32, 0, self.comm, self.stream);
                 } else {
                   ncclRecv(values, 1, ncclInt64, 1, self.comm, self.stream);
                 }
               }),
               "calls do not match: rank 1 calls Send(count=2, type=int32) to rank 0, "
               "which calls Recv(count=1, type=int64) from it");
}

TEST(Mismatch, NamesRanksThatAgreeTogether) {
  std::mutex mutex;
  std::string text;
  testing::internal::CaptureStderr();
  RunRanks(
      4,
      [&](Rank& self) {
        float value = 0;
        ncclAllReduce(&value, &value, self.rank == 2 ? 0 : 1, ncclFloat, ncclMin, self.comm,
                      self.stream);
        self.Synchronize();
        const std::lock_guard lock(mutex);
        text = ncclGetLastError(self.comm);
      },
      Ending::kAbort);
  testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("rank 0, 1, 3 calls AllReduce(count=1, type=float32, op=min); "
                              "rank 2 calls AllReduce(count=0, type=float32, op=min)"));
}

}  // namespace
}  // namespace emu
