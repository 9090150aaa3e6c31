// Tensors over 4 GiB in files over 1 TiB: sparse, so that no disk holds them, with marks at places
// that no 32-bit offset reaches.
#include <gtest/gtest.h>

#include "base/units.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kRows = 3 * kMiB, kCols = 256 * kKiB;  // 1.5 TiB of BF16
constexpr int64_t kRowBytes = 2 * kCols;

struct Mark {
  size_t tensor;
  int64_t offset;  // in the tensor
};
// The second tensor begins behind the first, 1.5 TiB into the file.
constexpr Mark kMarks[] = {
    {0, 0}, {0, 4 * kGiB - 1}, {0, 4 * kGiB}, {0, 1024 * kGiB + 12345}, {0, kRows* kRowBytes - 1},
    {1, 0}, {1, 5 * kGiB - 1}};

TEST(LargeFiles, ReadAtPlacesThatNoShorterOffsetReaches) {
  TempFolder folder;
  auto writer = SafetensorsWriter::Create(
      folder / std::string(kSingleFileName),
      {{"matrix", FileDtype::kBf16, {kRows, kCols}}, {"vector", FileDtype::kU8, {5 * kGiB}}},
      DiskSpace::kSparse);
  if (absl::IsResourceExhausted(writer.status())) {
    GTEST_SKIP() << "this file system has no files of 1.5 TiB: " << writer.status();
  }
  ASSERT_TRUE(writer.ok()) << writer.status();
  std::vector<int64_t> left = {kRows * kRowBytes, 5 * kGiB};
  for (size_t i = 0; i < std::size(kMarks); ++i) {
    const std::byte mark{static_cast<unsigned char>(i + 1)};
    ASSERT_TRUE(writer->Write(kMarks[i].tensor, kMarks[i].offset, {&mark, 1}).ok());
    --left[kMarks[i].tensor];
  }
  for (size_t tensor = 0; tensor < left.size(); ++tensor) writer->LeaveZeros(tensor, left[tensor]);
  ASSERT_TRUE(writer->Finish().ok());

  const auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->num_bytes(), 1536 * kGiB + 5 * kGiB);
  for (size_t i = 0; i < std::size(kMarks); ++i) {
    const bool matrix = kMarks[i].tensor == 0;
    const TensorInfo* info = checkpoint->Find(matrix ? "matrix" : "vector");
    const int64_t row = matrix ? kMarks[i].offset / kRowBytes : kMarks[i].offset;
    const int64_t col = matrix ? kMarks[i].offset % kRowBytes / 2 : 0;
    // With the row before it or behind it, whose bytes are far away.
    const int64_t begin = std::max<int64_t>(0, row - 1);
    const TensorRange range{.tensor = info,
                            .row_begin = begin,
                            .row_end = begin + 2,
                            .col_begin = col,
                            .col_end = col + 1};
    ReadBatch batch{.ranges = {{range}}};
    ShardReader reader(&*checkpoint);
    const absl::Status status = reader.Read(batch);
    ASSERT_TRUE(status.ok()) << status;
    int64_t found = (row - begin) * range.num_bytes() / 2;
    if (matrix) found += kMarks[i].offset % 2;
    EXPECT_EQ(batch.data(0)[found], std::byte(i + 1)) << "mark " << i;
  }
}

}  // namespace
}  // namespace switchyard::worker
