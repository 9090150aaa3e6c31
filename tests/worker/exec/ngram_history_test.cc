// What was said before, found again.
#include "worker/exec/ngram_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

NgramHistory Said(const std::vector<int32_t>& tokens) {
  NgramHistory history;
  history.Append(0, tokens);
  return history;
}

TEST(NgramHistory, ContinuesAsItDidTheLastTime) {
  EXPECT_THAT(Said({1, 2, 3, 4, 5, 1, 2}).Continuation(2), ElementsAre(3, 4));
  EXPECT_THAT(Said({1, 2, 3, 1, 2, 4, 1, 2}).Continuation(1), ElementsAre(4)) << "the newest";
}

TEST(NgramHistory, ALongerRunGoesBeforeANewerOne) {
  EXPECT_THAT(Said({7, 8, 1, 2, 3, 9, 1, 2, 4, 7, 8, 1, 2}).Continuation(1), ElementsAre(3));
}

TEST(NgramHistory, SaysNothingOfWhatIsNew) {
  EXPECT_THAT(Said({}).Continuation(4), IsEmpty());
  EXPECT_THAT(Said({1}).Continuation(4), IsEmpty());
  EXPECT_THAT(Said({1, 2, 3, 4}).Continuation(4), IsEmpty());
  EXPECT_THAT(Said({1, 2, 3, 2}).Continuation(4), IsEmpty()) << "one token is no run";
}

TEST(NgramHistory, EndsWhereItHasNothingMore) {
  EXPECT_THAT(Said({1, 2, 1, 2}).Continuation(8), ElementsAre(1, 2));
  EXPECT_THAT(Said({5, 5, 5, 5}).Continuation(8), ElementsAre(5));
}

TEST(NgramHistory, TokensMayBeToldTwice) {
  NgramHistory history = Said({1, 2, 3});
  history.Append(2, std::vector<int32_t>{3, 1, 2});
  EXPECT_EQ(history.size(), 5);
  history.Append(3, std::vector<int32_t>{1});
  EXPECT_EQ(history.size(), 5);
  EXPECT_THAT(history.Continuation(1), ElementsAre(3));
}

// Against the obvious search.
TEST(NgramHistory, FindsWhatALookAtEveryPlaceFinds) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<int32_t> tokens;
    NgramHistory history;
    for (int i = 0; i < 60; ++i) {
      tokens.push_back(static_cast<int32_t>(random() % 4));
      history.Append(i, {&tokens.back(), 1});
      std::vector<int32_t> expected;
      for (int length = 4; length >= 2 && expected.empty(); --length) {
        for (int end = i; end >= length && expected.empty(); --end) {
          if (i + 1 < length || !std::equal(tokens.begin() + end - length, tokens.begin() + end,
                                            tokens.end() - length)) {
            continue;
          }
          expected.assign(tokens.begin() + end, tokens.begin() + std::min(end + 3, i + 1));
        }
      }
      ASSERT_THAT(history.Continuation(3), ElementsAreArray(expected)) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace switchyard::worker
