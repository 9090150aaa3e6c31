// How many drafts: what makes the cluster fastest at each size of its steps.
#include "coordinator/core/sched/draft_control.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <utility>

namespace switchyard::core {
namespace {

// Steps of `num_generating` sequences on a cluster where drafts are right at random and a step
// takes `micros` of its rows. Returns how often each number was chosen. With `prompts` every step
// has a part of one, unless it is not to.
std::map<int32_t, int> ChoicesIn(DraftControl& control, int32_t num_generating, int num_steps,
                                 double acceptance, const std::function<double(int)>& micros,
                                 bool prompts = false) {
  std::map<int32_t, int> chosen;
  bool generates = true;
  for (int step = 0; step < num_steps; ++step) {
    const int32_t drafts = control.Choose(num_generating, generates);
    ++chosen[drafts];
    const bool generated = std::exchange(generates, !prompts || control.wants_quiet());
    if (!generates || !generated) continue;
    double tokens = 1, right = 1;
    for (int i = 0; i < drafts; ++i) tokens += right *= acceptance;
    control.Observe(num_generating, drafts, static_cast<int64_t>(1000 * num_generating * tokens),
                    static_cast<int64_t>(1000 * micros(num_generating * (1 + drafts))));
  }
  return chosen;
}

double MemoryBound(int rows) { return 1000 + 5 * rows; }
double ComputeBound(int rows) { return 1000.0 * rows; }

TEST(DraftControl, DraftsAllWhileRowsAreCheap) {
  DraftControl control(3);
  EXPECT_GT(ChoicesIn(control, 1, 1000, 0.9, MemoryBound)[3], 950);
}

TEST(DraftControl, StepsBackWhereARowCostsWhatItSaves) {
  DraftControl control(2);
  std::map<int32_t, int> chosen = ChoicesIn(control, 64, 2000, 0.6, ComputeBound);
  EXPECT_GT(chosen[0], 1600);
  EXPECT_GT(chosen[1] + chosen[2], 20) << "what was better may be so again";
}

// A step with a draft takes 1.6 times as long and gives 1.64 times the tokens.
TEST(DraftControl, DraftsNoneWhereThatIsHardlySlower) {
  DraftControl control(1);
  const auto micros = [](int rows) { return rows <= 32 ? 1000.0 : 1600.0; };
  EXPECT_GT(ChoicesIn(control, 32, 2000, 0.64, micros)[0], 1800);
  DraftControl other(1);
  EXPECT_GT(ChoicesIn(other, 32, 2000, 0.72, micros)[1], 1800) << "7 % more is worth it";
}

TEST(DraftControl, LearnsWhereEveryStepHasAPartOfAPrompt) {
  DraftControl control(2);
  const auto many = ChoicesIn(control, 64, 2000, 0.3, ComputeBound, /*prompts=*/true);
  EXPECT_GT(many.at(0), 1600);
  // What pays is tried and kept.
  EXPECT_GT(ChoicesIn(control, 1, 2000, 0.9, MemoryBound, /*prompts=*/true)[2], 1800);
  int num_quiet = 0;
  for (int step = 0; step < 1000; ++step) {
    control.Choose(64, /*generates=*/false);
    num_quiet += control.wants_quiet() ? 1 : 0;
  }
  EXPECT_LE(num_quiet, 40) << "prompts go on meanwhile";
  for (int step = 0; step < 1000; ++step) {
    control.Choose(64, /*generates=*/step % 8 < 2);
    EXPECT_FALSE(control.wants_quiet() && step > 200) << "some steps have none anyway";
  }
}

TEST(DraftControl, DraftsLessWhereTheLaterOnesAreWrong) {
  DraftControl control(4);
  // The second draft is right once in a hundred times, a row costs a tenth of a step.
  EXPECT_GT(ChoicesIn(control, 1, 4000, 0.3, [](int rows) { return 1000.0 + 250 * rows; })[1],
            2500);
}

TEST(DraftControl, KnowsEachSizeOfStepApart) {
  DraftControl control(1);
  ChoicesIn(control, 64, 1000, 0.6, ComputeBound);
  ChoicesIn(control, 1, 1000, 0.8, MemoryBound);
  EXPECT_GT(ChoicesIn(control, 64, 100, 0.6, ComputeBound)[0], 90);
  EXPECT_GT(ChoicesIn(control, 1, 100, 0.8, MemoryBound)[1], 90);
}

TEST(DraftControl, NoticesThatTheTextHasChanged) {
  DraftControl control(1);
  const auto micros = [](int rows) { return 1000.0 + 400 * rows; };
  EXPECT_GT(ChoicesIn(control, 1, 1000, 0.05, micros)[0], 800);
  ChoicesIn(control, 1, 2000, 0.9, micros);
  EXPECT_GT(ChoicesIn(control, 1, 100, 0.9, micros)[1], 90);
}

// One reader's gap in a hundred is to be no trial's.
TEST(DraftControl, TriesSeldomWhatNeverWasBetter) {
  DraftControl control(1);
  ChoicesIn(control, 32, 2000, 0.3, ComputeBound);
  EXPECT_LT(ChoicesIn(control, 32, 4000, 0.3, ComputeBound)[1], 40);
}

// Answers that grow and begin anew take up to three times as long, with drafts or without; drafts
// that are a tenth worse are not taken for better because they were tried while answers were short.
TEST(DraftControl, ComparesStepsOfAnswersOfOneLength) {
  DraftControl control(1);
  int step = 0;
  const auto micros = [&](int rows) {
    return (rows <= 32 ? 1000.0 : 1800.0) * (1 + 2 * double(step++ % 1000) / 1000);
  };
  ChoicesIn(control, 32, 2000, 0.62, micros);
  EXPECT_LT(ChoicesIn(control, 32, 10'000, 0.62, micros)[1], 60);
}

TEST(DraftControl, NeedsNoClock) {
  DraftControl control(2);
  for (int step = 0; step < 500; ++step) {
    const int32_t drafts = control.Choose(3, true);
    ASSERT_TRUE(drafts >= 0 && drafts <= 2);
    control.Observe(3, drafts, 4, 0);
  }
  for (int step = 0; step < 500; ++step) {
    control.Observe(3, control.Choose(3, true), /*num_tokens=*/0, 1000);
  }
  EXPECT_GT(ChoicesIn(control, 3, 3000, 0.1, ComputeBound)[0], 1500) << "steps without tokens";
  EXPECT_EQ(DraftControl(0).Choose(3, true), 0);
  EXPECT_EQ(control.Choose(0, true), 0);
}

}  // namespace
}  // namespace switchyard::core
