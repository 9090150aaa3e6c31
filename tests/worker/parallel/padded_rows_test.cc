#include "worker/parallel/padded_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

namespace switchyard::worker {
namespace {

TEST(PaddedRowsTest, IsTheLeastSizeThatIsEnough) {
  for (int64_t rows = 1; rows <= 256; ++rows) {
    const auto* const size = std::ranges::find(kPaddedRows, PaddedRows(rows));
    ASSERT_NE(size, std::end(kPaddedRows)) << rows;
    EXPECT_GE(*size, rows);
    EXPECT_FALSE(size != std::begin(kPaddedRows) && size[-1] >= rows) << rows;
  }
}

TEST(PaddedRowsTest, NothingAndWhatIsTooManyStaysAsItIs) {
  EXPECT_EQ(PaddedRows(0), 0);
  EXPECT_EQ(PaddedRows(257), 257);
}

}  // namespace
}  // namespace switchyard::worker
