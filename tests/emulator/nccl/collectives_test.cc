// Every collective, on 1, 2, 4 and 8 ranks, against one serial loop.
#include <cuda_bf16.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/emulator/nccl/elements.h"
#include "tests/emulator/nccl/ranks.h"

namespace emu {
namespace {

constexpr ncclDataType_t kAllTypes[] = {ncclInt8,    ncclUint8,    ncclInt32,      ncclUint32,
                                        ncclInt64,   ncclUint64,   ncclFloat16,    ncclFloat32,
                                        ncclFloat64, ncclBfloat16, ncclFloat8e4m3, ncclFloat8e5m2};
constexpr ncclRedOp_t kAllOps[] = {ncclSum, ncclProd, ncclMax, ncclMin, ncclAvg};

// Nothing, one, odd, and more than the chunks and channels hold at once.
constexpr size_t kCounts[] = {0, 1, 1023, 70'001};

std::vector<Elements> Inputs(ncclDataType_t type, size_t count, int num_ranks) {
  std::vector<Elements> inputs;
  for (int r = 0; r < num_ranks; ++r) inputs.push_back(InputOf(type, count, r));
  return inputs;
}

class Collectives : public testing::TestWithParam<int> {};

TEST_P(Collectives, AllReduceIsTheSerialReductionForEveryTypeAndOperator) {
  RunRanks(GetParam(), [](Rank& self) {
    for (const ncclDataType_t type : kAllTypes) {
      for (const ncclRedOp_t op : kAllOps) {
        const std::vector<Elements> inputs = Inputs(type, 1023, self.num_ranks);
        Elements mine = inputs[static_cast<size_t>(self.rank)];
        Elements result(type, mine.count());
        ASSERT_EQ(ncclAllReduce(mine.data(), result.data(), mine.count(), type, op, self.comm,
                                self.stream),
                  ncclSuccess);
        self.Synchronize();
        ASSERT_TRUE(result == Reduced(inputs, op)) << "type " << type << " op " << op;
      }
    }
  });
}

TEST_P(Collectives, AllReduceTakesAnyCountAlsoInPlace) {
  for (const ncclDataType_t type : {ncclFloat32, ncclBfloat16, ncclInt64}) {
    for (const size_t count : kCounts) {
      const std::vector<Elements> inputs = Inputs(type, count, GetParam());
      const Elements expected = Reduced(inputs, ncclSum);
      RunRanks(GetParam(), [&](Rank& self) {
        Elements mine = inputs[static_cast<size_t>(self.rank)];
        ASSERT_EQ(
            ncclAllReduce(mine.data(), mine.data(), count, type, ncclSum, self.comm, self.stream),
            ncclSuccess);
        self.Synchronize();
        ASSERT_TRUE(mine == expected) << "type " << type << " count " << count;
      });
    }
  }
}

TEST_P(Collectives, ReduceReachesTheRootAlone) {
  const int root = GetParam() - 1;
  for (const size_t count : kCounts) {
    const std::vector<Elements> inputs = Inputs(ncclFloat32, count, GetParam());
    const Elements expected = Reduced(inputs, ncclMax);
    RunRanks(GetParam(), [&](Rank& self) {
      Elements mine = inputs[static_cast<size_t>(self.rank)];
      const Elements untouched = mine;
      void* target = self.rank == root ? mine.data() : nullptr;
      ASSERT_EQ(ncclReduce(mine.data(), target, count, ncclFloat32, ncclMax, root, self.comm,
                           self.stream),
                ncclSuccess);
      self.Synchronize();
      ASSERT_TRUE(mine == (self.rank == root ? expected : untouched)) << count;
    });
  }
}

TEST_P(Collectives, ReduceScatterGivesEachRankItsBlock) {
  for (const size_t count : kCounts) {
    const size_t total = count * static_cast<size_t>(GetParam());
    const std::vector<Elements> inputs = Inputs(ncclInt64, total, GetParam());
    Elements expected = Reduced(inputs, ncclSum);
    RunRanks(GetParam(), [&](Rank& self) {
      const size_t own = static_cast<size_t>(self.rank) * count;
      for (const bool in_place : {false, true}) {
        Elements mine = inputs[static_cast<size_t>(self.rank)];
        Elements block(ncclInt64, count);
        void* target = in_place ? mine.at(own) : block.data();
        ASSERT_EQ(ncclReduceScatter(mine.data(), target, count, ncclInt64, ncclSum, self.comm,
                                    self.stream),
                  ncclSuccess);
        self.Synchronize();
        if (count == 0) continue;
        ASSERT_EQ(std::memcmp(target, expected.at(own), count * sizeof(int64_t)), 0) << count;
      }
    });
  }
}

TEST_P(Collectives, BroadcastCopiesTheRoot) {
  RunRanks(GetParam(), [](Rank& self) {
    for (int root = 0; root < self.num_ranks; ++root) {
      for (const size_t count : kCounts) {
        Elements source = InputOf(ncclInt32, count, self.rank);
        Elements result(ncclInt32, count);
        ASSERT_EQ(ncclBroadcast(self.rank == root ? source.data() : nullptr, result.data(), count,
                                ncclInt32, root, self.comm, self.stream),
                  ncclSuccess);
        ASSERT_EQ(ncclBcast(source.data(), count, ncclInt32, root, self.comm, self.stream),
                  ncclSuccess);
        self.Synchronize();
        ASSERT_TRUE(result == InputOf(ncclInt32, count, root));
        ASSERT_TRUE(source == result);
      }
    }
  });
}

TEST_P(Collectives, AllGatherPacksBlocksByRank) {
  RunRanks(GetParam(), [](Rank& self) {
    for (const size_t count : kCounts) {
      for (const bool in_place : {false, true}) {
        Elements mine = InputOf(ncclUint8, count, self.rank);
        Elements all(ncclUint8, count * static_cast<size_t>(self.num_ranks));
        std::byte* own = all.at(static_cast<size_t>(self.rank) * count);
        if (in_place && count > 0) std::memcpy(own, mine.data(), count);
        ASSERT_EQ(ncclAllGather(in_place ? own : mine.data(), all.data(), count, ncclUint8,
                                self.comm, self.stream),
                  ncclSuccess);
        self.Synchronize();
        for (int r = 0; r < self.num_ranks; ++r) {
          Elements expected = InputOf(ncclUint8, count, r);
          if (count == 0) continue;
          ASSERT_EQ(std::memcmp(all.at(static_cast<size_t>(r) * count), expected.data(), count), 0);
        }
      }
    }
  });
}

// Block b of rank r's memory.
Elements Block(size_t count, int r, int b) { return InputOf(ncclFloat64, count, r * 31 + b); }

Elements Blocks(size_t count, int r, int num_ranks) {
  Elements all(ncclFloat64, count * static_cast<size_t>(num_ranks));
  for (int b = 0; b < num_ranks; ++b) {
    Elements block = Block(count, r, b);
    if (count == 0) continue;
    std::memcpy(all.at(static_cast<size_t>(b) * count), block.data(), count * sizeof(double));
  }
  return all;
}

TEST_P(Collectives, AllToAllGatherAndScatterMoveBlocks) {
  RunRanks(GetParam(), [](Rank& self) {
    for (const size_t count : kCounts) {
      const auto num_ranks = static_cast<size_t>(self.num_ranks);
      const int root = self.num_ranks / 2;
      const bool is_root = self.rank == root;
      Elements mine = Blocks(count, self.rank, self.num_ranks);
      Elements exchanged(ncclFloat64, count * num_ranks);
      Elements gathered(ncclFloat64, count * num_ranks);
      Elements scattered(ncclFloat64, count);
      ASSERT_EQ(
          ncclAlltoAll(mine.data(), exchanged.data(), count, ncclFloat64, self.comm, self.stream),
          ncclSuccess);
      ASSERT_EQ(ncclGather(mine.data(), is_root ? gathered.data() : nullptr, count, ncclFloat64,
                           root, self.comm, self.stream),
                ncclSuccess);
      ASSERT_EQ(ncclScatter(is_root ? mine.data() : nullptr, scattered.data(), count, ncclFloat64,
                            root, self.comm, self.stream),
                ncclSuccess);
      self.Synchronize();
      ASSERT_TRUE(scattered == Block(count, root, self.rank));
      for (int r = 0; r < self.num_ranks && count > 0; ++r) {
        const size_t at = static_cast<size_t>(r) * count;
        const size_t bytes = count * sizeof(double);
        ASSERT_EQ(std::memcmp(exchanged.at(at), Block(count, r, self.rank).data(), bytes), 0);
        if (!is_root) continue;
        ASSERT_EQ(std::memcmp(gathered.at(at), Block(count, r, 0).data(), bytes), 0);
      }
    }
  });
}

TEST_P(Collectives, ResultsAreTheSameBitsInEveryRunAndOnEveryRank) {
  const auto run = [] {
    std::vector<Elements> results(static_cast<size_t>(GetParam()), Elements(ncclFloat32, 30'011));
    RunRanks(GetParam(), [&results](Rank& self) {
      Elements mine(ncclFloat32, 30'011);
      for (size_t i = 0; i < mine.count(); ++i) {
        mine.Set(i, 1.0 / static_cast<double>(i + static_cast<size_t>(self.rank) * 17 + 1));
      }
      ASSERT_EQ(ncclAllReduce(mine.data(), results[static_cast<size_t>(self.rank)].data(),
                              mine.count(), ncclFloat32, ncclSum, self.comm, self.stream),
                ncclSuccess);
      self.Synchronize();
    });
    return results;
  };
  const std::vector<Elements> first = run();
  const std::vector<Elements> second = run();
  for (size_t r = 0; r < first.size(); ++r) {
    EXPECT_TRUE(first[r] == first[0]);
    EXPECT_TRUE(second[r] == first[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, Collectives, testing::Values(1, 2, 4, 8),
                         [](const auto& info) { return std::to_string(info.param); });

TEST(Averages, OfThreeRanksRoundOnce) {
  RunRanks(3, [](Rank& self) {
    for (const ncclDataType_t type : kAllTypes) {
      Elements mine(type, 5);
      for (size_t i = 0; i < mine.count(); ++i) {
        mine.Set(i, static_cast<double>(i * 3 + static_cast<size_t>(self.rank)));
      }
      ASSERT_EQ(ncclAllReduce(mine.data(), mine.data(), 5, type, ncclAvg, self.comm, self.stream),
                ncclSuccess);
      self.Synchronize();
      for (size_t i = 0; i < mine.count(); ++i) {
        // 8-bit types round every one of three terms by up to a sixteenth.
        const double tolerance =
            type >= ncclFloat8e4m3 ? 0.15 * static_cast<double>(i * 3 + 1) : 0.1;
        EXPECT_NEAR(mine.Get(i), static_cast<double>(i * 3 + 1), tolerance) << "type " << type;
      }
    }
  });
}

TEST(ScaledSums, MultiplyByEachRanksOwnScalar) {
  RunRanks(2, [](Rank& self) {
    __nv_bfloat16 scalar(self.rank == 0 ? 0.5f : 4.0f);
    for (const ncclScalarResidence_t residence : {ncclScalarHostImmediate, ncclScalarDevice}) {
      ncclRedOp_t op;
      ASSERT_EQ(ncclRedOpCreatePreMulSum(&op, &scalar, ncclBfloat16, residence, self.comm),
                ncclSuccess);
      Elements mine(ncclBfloat16, 3);
      for (size_t i = 0; i < 3; ++i) mine.Set(i, static_cast<double>(i + 1));
      ASSERT_EQ(ncclAllReduce(mine.data(), mine.data(), 3, ncclFloat32, op, self.comm, self.stream),
                ncclInvalidArgument);
      ASSERT_EQ(
          ncclAllReduce(mine.data(), mine.data(), 3, ncclBfloat16, op, self.comm, self.stream),
          ncclSuccess);
      ASSERT_EQ(ncclRedOpDestroy(op, self.comm), ncclSuccess);
      ASSERT_EQ(ncclRedOpDestroy(op, self.comm), ncclInvalidArgument);
      self.Synchronize();
      for (size_t i = 0; i < 3; ++i) EXPECT_EQ(mine.Get(i), 4.5 * static_cast<double>(i + 1));
    }
  });
}

}  // namespace
}  // namespace emu
