// What every backend promises, against the obvious serial result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <thread>

#include "base/random.h"
#include "tests/testing/ranks.h"

namespace switchyard::worker {
namespace {

using switchyard::testing::AllOk;
using switchyard::testing::CollectiveBody;

enum class Backend { kLocal, kGloo };

struct Setting {
  Backend backend;
  int num_ranks;
};

class CollectivesTest : public ::testing::TestWithParam<Setting> {
 protected:
  int num_ranks() const { return GetParam().num_ranks; }
  std::vector<absl::Status> Run(const CollectiveBody& body) const {
    return GetParam().backend == Backend::kLocal ? testing::RunLocalRanks(num_ranks(), body)
                                                 : testing::RunGlooRanks(num_ranks(), body);
  }
};

// Byte `i` of what rank `from` has for rank `to`.
uint8_t Payload(int from, int to, int64_t i) {
  return static_cast<uint8_t>(RandomBits(from * 64 + to, i));
}

std::vector<uint8_t> Block(int from, int to, int64_t num_bytes) {
  std::vector<uint8_t> block(num_bytes);
  for (int64_t i = 0; i < num_bytes; ++i) block[i] = Payload(from, to, i);
  return block;
}

// Bytes that rank `from` has for rank `to`: uneven, some zero, one larger than any message.
int64_t UnevenBytes(int from, int to) {
  if (from == 0 && to == 1) return 150001;
  return (from * 37 + to * 11) % 5 == 0 ? 0 : from * 1000 + to * 77 + 1;
}

std::vector<float> Floats(int rank, int64_t n) {
  std::vector<float> values(n);
  for (int64_t i = 0; i < n; ++i) {
    const double magnitude = std::ldexp(1.0, static_cast<int>(RandomBits(3, i) % 24));
    values[i] = static_cast<float>((RandomUnit(100 + rank, i) - 0.5) * magnitude);
  }
  return values;
}

// (r0 + r1) + (r2 + r3) ..., by the definition.
float TreeSum(const std::vector<std::vector<float>>& parts, size_t begin, size_t count, int64_t i) {
  if (count == 1) return parts[begin][i];
  return TreeSum(parts, begin, count / 2, i) + TreeSum(parts, begin + count / 2, count / 2, i);
}

TEST_P(CollectivesTest, AllGatherBringsEveryRanksBlockToAll) {
  for (const int64_t num_bytes : {int64_t{1}, int64_t{64}, int64_t{100000}}) {
    EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
      const std::vector<uint8_t> in = Block(world.rank(), 0, num_bytes);
      std::vector<uint8_t> out(num_bytes * world.size());
      SY_RETURN_IF_ERROR(world.AllGather(in.data(), out.data(), num_bytes));
      for (int r = 0; r < world.size(); ++r) {
        const std::vector<uint8_t> got(out.begin() + r * num_bytes,
                                       out.begin() + (r + 1) * num_bytes);
        EXPECT_EQ(got, Block(r, 0, num_bytes)) << "block of rank " << r;
      }
      return absl::OkStatus();
    })));
  }
}

TEST_P(CollectivesTest, AllGatherVPacksUnevenBlocks) {
  EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
    std::vector<int64_t> num_bytes(world.size());
    std::vector<uint8_t> want;
    for (int r = 0; r < world.size(); ++r) {
      num_bytes[r] = UnevenBytes(r, 1);
      const std::vector<uint8_t> block = Block(r, 0, num_bytes[r]);
      want.insert(want.end(), block.begin(), block.end());
    }
    const std::vector<uint8_t> in = Block(world.rank(), 0, num_bytes[world.rank()]);
    std::vector<uint8_t> out(want.size());
    SY_RETURN_IF_ERROR(world.AllGatherV(in.data(), out.data(), num_bytes));
    EXPECT_EQ(out, want);
    return absl::OkStatus();
  })));
}

TEST_P(CollectivesTest, AllToAllTransposesBlocks) {
  EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
    std::vector<int32_t> in(world.size()), out(world.size());
    for (int r = 0; r < world.size(); ++r) in[r] = world.rank() * 100 + r;
    SY_RETURN_IF_ERROR(world.AllToAll(in.data(), out.data(), sizeof(int32_t)));
    for (int r = 0; r < world.size(); ++r) EXPECT_EQ(out[r], r * 100 + world.rank());
    return absl::OkStatus();
  })));
}

TEST_P(CollectivesTest, AllToAllVMovesUnevenAndEmptyBlocksAgainAndAgain) {
  EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
    std::vector<int64_t> send_bytes(world.size()), recv_bytes(world.size());
    std::vector<uint8_t> in, want;
    for (int r = 0; r < world.size(); ++r) {
      send_bytes[r] = UnevenBytes(world.rank(), r);
      recv_bytes[r] = UnevenBytes(r, world.rank());
      const std::vector<uint8_t> sent = Block(world.rank(), r, send_bytes[r]);
      const std::vector<uint8_t> received = Block(r, world.rank(), recv_bytes[r]);
      in.insert(in.end(), sent.begin(), sent.end());
      want.insert(want.end(), received.begin(), received.end());
    }
    for (int repeat = 0; repeat < 5; ++repeat) {
      std::vector<uint8_t> out(want.size());
      SY_RETURN_IF_ERROR(world.AllToAllV(in.data(), send_bytes, out.data(), recv_bytes));
      EXPECT_EQ(out, want);
    }
    return absl::OkStatus();
  })));
}

TEST_P(CollectivesTest, BroadcastComesFromAnyRoot) {
  EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
    for (int root = 0; root < world.size(); ++root) {
      std::vector<uint8_t> data(40000);
      if (world.rank() == root) data = Block(root, 0, 40000);
      SY_RETURN_IF_ERROR(world.Broadcast(data.data(), 40000, root));
      EXPECT_EQ(data, Block(root, 0, 40000));
    }
    return absl::OkStatus();
  })));
}

TEST_P(CollectivesTest, NoRankPassesABarrierBeforeAllHaveCome) {
  std::atomic<int> arrived = 0;
  EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
    for (int round = 1; round <= 20; ++round) {
      ++arrived;
      SY_RETURN_IF_ERROR(world.Barrier());
      EXPECT_GE(arrived.load(), round * world.size());
      SY_RETURN_IF_ERROR(world.Barrier());
    }
    return absl::OkStatus();
  })));
}

TEST_P(CollectivesTest, AllReduceMaxIsExactAndKeepsNaN) {
  constexpr int64_t kSize = 999;
  EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
    std::vector<float> data = Floats(world.rank(), kSize);
    if (world.rank() == world.size() - 1) data[5] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> scratch(world.ReduceScratchSize(kSize));
    SY_RETURN_IF_ERROR(world.AllReduceMax(data.data(), kSize, scratch));
    for (int64_t i = 0; i < kSize; ++i) {
      float want = -std::numeric_limits<float>::infinity();
      for (int r = 0; r < world.size(); ++r) want = std::max(want, Floats(r, kSize)[i]);
      if (i == 5) {
        EXPECT_TRUE(std::isnan(data[i]));
      } else {
        EXPECT_EQ(data[i], want);
      }
      if (i > 20) i += 50;
    }
    return absl::OkStatus();
  })));
}

// Both ways to reduce: small sizes gather, large ones scatter; a size that does not divide by the
// ranks.
TEST_P(CollectivesTest, TreeAllReduceHasTheBitsOfTheBalancedTree) {
  if (!std::has_single_bit(static_cast<unsigned>(num_ranks()))) return;
  for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{33}, int64_t{70001}}) {
    std::vector<std::vector<float>> parts;
    for (int r = 0; r < num_ranks(); ++r) parts.push_back(Floats(r, n));
    EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
      std::vector<float> data = parts[world.rank()];
      std::vector<float> scratch(world.ReduceScratchSize(n));
      SY_RETURN_IF_ERROR(world.TreeAllReduce(data.data(), n, scratch));
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; ++i) {
        wrong += std::bit_cast<uint32_t>(data[i]) !=
                 std::bit_cast<uint32_t>(TreeSum(parts, 0, parts.size(), i));
      }
      EXPECT_EQ(wrong, 0) << "of " << n;
      return absl::OkStatus();
    })));
  }
}

TEST_P(CollectivesTest, ProgressCountsWhatWasBegunAndWhatEnded) {
  EXPECT_TRUE(AllOk(Run([&](Collectives& world) -> absl::Status {
    const uint64_t before = world.progress().finished;
    SY_RETURN_IF_ERROR(world.Barrier());
    EXPECT_EQ(world.progress().started, before + 1);
    EXPECT_EQ(world.progress().finished, before + 1);
    return absl::OkStatus();
  })));
}

// Ranks that call with different sizes learn so at once, all of them, and the communicator is at an
// end.
TEST_P(CollectivesTest, DifferentSizesAreAnErrorOnEveryRankThatNamesARank) {
  if (num_ranks() == 1) return;
  const auto statuses = Run([&](Collectives& world) -> absl::Status {
    std::vector<uint8_t> in(128), out(128 * world.size());
    const absl::Status status =
        world.AllGather(in.data(), out.data(), world.rank() == 1 ? 128 : 64);
    EXPECT_EQ(world.Barrier(), status) << "the first error stays";
    return status;
  });
  for (const absl::Status& status : statuses) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    EXPECT_THAT(std::string(Message(status)), ::testing::HasSubstr("rank 1"));
  }
}

TEST_P(CollectivesTest, DifferentOperationsAreAnErrorOnEveryRank) {
  if (num_ranks() == 1) return;
  const auto statuses = Run([&](Collectives& world) -> absl::Status {
    std::vector<uint8_t> in(4 * world.size()), out(4 * world.size());
    if (world.rank() == 0) return world.AllToAll(in.data(), out.data(), 4);
    return world.AllGather(in.data(), out.data(), 4);
  });
  for (const absl::Status& status : statuses) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  }
}

// One rank never comes; another thread of rank 0 aborts.
TEST_P(CollectivesTest, AbortEndsAPendingCallAndAllLaterOnes) {
  if (num_ranks() == 1) return;
  const int absent = num_ranks() - 1;
  const auto statuses = Run([&](Collectives& world) -> absl::Status {
    if (world.rank() == absent) return absl::OkStatus();
    std::jthread aborter([&] {
      if (world.rank() == 0) world.Abort();
    });
    const absl::Status status = world.Barrier();
    EXPECT_FALSE(world.Barrier().ok());
    return status;
  });
  EXPECT_EQ(statuses[0].code(), absl::StatusCode::kCancelled) << statuses[0];
  for (int rank = 1; rank < absent; ++rank) EXPECT_FALSE(statuses[rank].ok());
}

std::vector<Setting> Settings() {
  std::vector<Setting> settings;
  for (int n = 1; n <= 8; ++n) settings.push_back({Backend::kLocal, n});
  for (int n : {1, 2, 3, 4, 8}) settings.push_back({Backend::kGloo, n});
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Backends, CollectivesTest, ::testing::ValuesIn(Settings()),
                         [](const auto& info) {
                           return fmt::format(
                               "{}{}Ranks",
                               info.param.backend == Backend::kLocal ? "Local" : "Gloo",
                               info.param.num_ranks);
                         });

TEST(LocalCollectivesTest, ARankThatDoesNotComeIsNamed) {
  const auto statuses = testing::RunLocalRanks(
      3, [](Collectives& world) { return world.rank() == 1 ? absl::OkStatus() : world.Barrier(); },
      {.timeout = std::chrono::milliseconds(20)});
  for (int rank : {0, 2}) {
    EXPECT_EQ(statuses[rank].code(), absl::StatusCode::kDeadlineExceeded);
    // Another one may be late too.
    EXPECT_THAT(std::string(Message(statuses[rank])), ::testing::ContainsRegex("rank .*1"));
  }
}

TEST(LocalCollectivesTest, ARankThatLeavesIsAnErrorForTheOthers) {
  auto ranks = MakeLocalCollectives(3);
  const auto statuses = testing::RunRanks(3, [&](int rank) {
    if (rank == 2) {
      ranks[2].reset();
      return absl::OkStatus();
    }
    return ranks[rank]->Barrier();
  });
  EXPECT_EQ(statuses[0].code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(statuses[1])), ::testing::HasSubstr("rank 2 has left"));
}

}  // namespace
}  // namespace switchyard::worker
