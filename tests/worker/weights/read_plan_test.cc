// Which stretches of files bring a set of ranges, piece by piece.
#include "worker/weights/read_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;

TensorInfo Bytes(int32_t file, int64_t offset, int64_t rows, int64_t cols) {
  return {.name = "t",
          .dtype = FileDtype::kU8,
          .shape = {rows, cols},
          .file = file,
          .offset = offset,
          .num_bytes = rows * cols};
}

// "file:begin+bytes", with "d" where it is direct and "xN/stride" where it has N runs.
std::vector<std::string> Text(const ReadPlan& plan) {
  std::vector<std::string> lines;
  for (const ReadPiece& piece : plan.pieces) {
    std::string line = fmt::format("{}{}:{}+{}", piece.direct ? "d" : "", piece.file, piece.offset,
                                   piece.run_bytes);
    if (piece.runs > 1) line += fmt::format("x{}/{}", piece.runs, piece.run_stride);
    lines.push_back(line);
  }
  return lines;
}

TEST(ReadPlan, NeighboursAreReadTogetherInTheOrderOfTheDisk) {
  const TensorInfo a = Bytes(1, 100, 1, 50), b = Bytes(0, 700, 1, 30), c = Bytes(1, 150, 1, 20),
                   d = Bytes(1, 171, 1, 5);
  const ReadPlan plan = PlanReads({{{TensorRange::Whole(d)},
                                    {TensorRange::Whole(a)},
                                    {TensorRange::Whole(b)},
                                    {TensorRange::Whole(c)}}},
                                  {});
  EXPECT_THAT(Text(plan), ElementsAre("0:700+30", "1:100+70", "1:171+5"));
  EXPECT_EQ(plan.places[3] - plan.places[1], 50);  // c behind a
  EXPECT_EQ(plan.num_bytes, 105);
}

TEST(ReadPlan, WhatIsWantedTwiceIsReadOnce) {
  const TensorInfo t = Bytes(0, 0, 10, 10);
  const ReadPlan plan = PlanReads({{{TensorRange::Whole(t)}, {TensorRange::Rows(t, 3, 5)}}}, {});
  EXPECT_THAT(Text(plan), ElementsAre("0:0+100"));
  EXPECT_EQ(plan.places[1] - plan.places[0], 30);
}

TEST(ReadPlan, PiecesAreBounded) {
  const TensorInfo t = Bytes(0, 10, 5, 50);
  EXPECT_THAT(Text(PlanReads({{{TensorRange::Whole(t)}}}, {.piece_bytes = 100})),
              ElementsAre("0:10+100", "0:110+100", "0:210+50"));
  EXPECT_THAT(Text(PlanReads({{{TensorRange::Cols(t, 5, 45)}}}, {.piece_bytes = 100})),
              ElementsAre("0:15+40x2/50", "0:115+40x2/50", "0:215+40"));
  // With their gaps: small parts of long rows are no more of the file at once.
  EXPECT_THAT(Text(PlanReads({{{TensorRange::Cols(t, 5, 10)}}}, {.piece_bytes = 100})),
              ElementsAre("0:15+5x2/50", "0:115+5x2/50", "0:215+5"));
  EXPECT_THAT(Text(PlanReads({{{TensorRange::Cols(t, 5, 45)}}}, {.piece_bytes = 30})),
              ElementsAre("0:15+30", "0:45+10", "0:65+30", "0:95+10", "0:115+30", "0:145+10",
                          "0:165+30", "0:195+10", "0:215+30", "0:245+10"));
}

TEST(ReadPlan, DirectReadsAreWholeBlocksFromAndToBlockBorders) {
  const TensorInfo a = Bytes(0, 5000, 2, 5000), b = Bytes(0, 15'000, 1, 3000);
  const ReadPlanOptions options{.direct = true, .piece_bytes = 8000, .least_direct_bytes = 10'000};
  const ReadPlan plan = PlanReads({{{TensorRange::Whole(a)}, {TensorRange::Whole(b)}}}, options);
  EXPECT_THAT(Text(plan), ElementsAre("d0:4096+8192", "d0:12288+8192"));
  for (const ReadPiece& piece : plan.pieces) EXPECT_EQ(piece.staging % kDirectBlock, 0);
  EXPECT_EQ(plan.places[0] % kDirectBlock, 5000 - 4096);
  EXPECT_EQ(plan.pieces[1].wanted_bytes, 18'000 - 12'288);
  EXPECT_EQ(plan.num_direct_bytes, 2 * 8192);
  // Too small, or for others, too: through the page cache, and no byte more.
  EXPECT_THAT(Text(PlanReads({{{TensorRange::Whole(b)}}}, options)), ElementsAre("0:15000+3000"));
  EXPECT_THAT(Text(PlanReads({{{.range = TensorRange::Whole(a), .shared = true}}}, options)),
              ElementsAre("0:5000+8000", "0:13000+2000"));
}

TEST(ReadPlan, OffsetsBeyondATebibyteAndTensorsBeyondFourGibibytesAreExact) {
  const int64_t tib = 1024 * kGiB;
  TensorInfo t = Bytes(3, 3 * tib + 8, 100'000, 100'000);
  t.dtype = FileDtype::kBf16;
  const ReadPlan plan = PlanReads({{{TensorRange::Rows(t, 99'990, 100'000)}}}, {});
  EXPECT_THAT(Text(plan), ElementsAre(fmt::format("3:{}+2000000", 3 * tib + 8 + 19'998'000'000)));
  const ReadPlan columns = PlanReads({{{TensorRange::Cols(t, 50'000, 50'010)}}}, {});
  int64_t runs = 0;
  for (const ReadPiece& piece : columns.pieces) runs += piece.runs;
  EXPECT_EQ(runs, 100'000);
  EXPECT_EQ(columns.pieces.front().offset, 3 * tib + 8 + 100'000);
}

TEST(ReadPlan, StagingMemoryIsWithinItsBound) {
  const TensorInfo a = Bytes(0, 4095, 3, 700'001), b = Bytes(0, 4095 + 3 * 700'001 + 1, 999, 7777);
  for (const TensorRange& range : {TensorRange::Whole(a), TensorRange::Cols(b, 1, 7000),
                                   TensorRange::Rows(a, 1, 2), TensorRange::Whole(b)}) {
    for (const bool direct : {false, true}) {
      const ReadPlan plan =
          PlanReads({{{range}, {TensorRange::Rows(b, 0, 1)}}}, {.direct = direct});
      EXPECT_LE(plan.staging_bytes,
                MaxStagingBytes(range) + MaxStagingBytes(TensorRange::Rows(b, 0, 1)));
      for (const ReadPiece& piece : plan.pieces) {
        EXPECT_LE(piece.staging + piece.num_bytes(), plan.staging_bytes);
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::worker
