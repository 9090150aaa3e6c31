// Prompts beside requests that write: as much of one as keeps these going.
#include "coordinator/core/sched/prompt_control.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "coordinator/core/sched/draft_control.h"

namespace switchyard::core {
namespace {

// A machine on which a sequence that writes takes 3 ms and `price` is what a unit of prompts takes.
int64_t Micros(int32_t num_writing, double prompt_units, double price) {
  return 7000 + 3000 * num_writing + static_cast<int64_t>(price * prompt_units);
}

// So many sequences, of which no keys are known.
Writing Sequences(int32_t num) { return {.num_rows = num}; }

// The longest step of `num_steps` with as much of a prompt as may be, as a multiple of one without.
double LongestStretch(PromptControl& control, int32_t num_writing, double price, int num_steps) {
  double longest = 0;
  for (int i = 0; i < num_steps; ++i) {
    const double units = std::min(control.MaxUnits(Sequences(num_writing)), 256.0);
    const int64_t micros = Micros(num_writing, units, price);
    control.Observe(Sequences(num_writing), units, micros);
    longest = std::max(longest, double(micros) / double(Micros(num_writing, 0, price)));
  }
  return longest;
}

TEST(PromptControl, KeepsTheStretchOnceItKnowsThePrices) {
  PromptControl control(2);
  for (int i = 0; i < 20; ++i) control.Observe(Sequences(1), 0, Micros(1, 0, 200));
  EXPECT_GT(LongestStretch(control, 1, 200, 1), 5) << "the first step is any length";
  EXPECT_LT(LongestStretch(control, 1, 200, 100), 2);
  for (double price = 50; price < 340; price *= 1.02) {
    EXPECT_LT(LongestStretch(control, 1, price, 1), 2) << price;
  }
  LongestStretch(control, 1, 100, 200);
  EXPECT_GT(LongestStretch(control, 1, 100, 10), 1.3) << "and no less than that allows";
}

// Where prompts come all the time a step without one is made now and then.
TEST(PromptControl, LooksAtAStepWithoutPromptsWhereThereIsNone) {
  PromptControl control(2);
  EXPECT_EQ(control.MaxUnits(Sequences(30)), 0) << "nothing is known";
  for (int i = 0; i < 20; ++i) control.Observe(Sequences(30), 0, Micros(30, 0, 100));
  int num_without = 0;
  for (int i = 0; i < 1000; ++i) {
    const double units = std::min(control.MaxUnits(Sequences(30)), 256.0);
    control.Observe(Sequences(30), units, Micros(30, units, 100));
    num_without += units == 0 ? 1 : 0;
  }
  EXPECT_GT(num_without, 5);
  EXPECT_LT(num_without, 50);
  EXPECT_EQ(control.MaxUnits(Sequences(3)), 0) << "a size that was not met yet";
}

TEST(PromptControl, HasNoLimitWhereNobodyWaits) {
  PromptControl control(2);
  control.Observe(Sequences(3), 0, 1000);
  EXPECT_EQ(control.MaxUnits(Sequences(3)), PromptControl::kNoLimit) << "no prompt was seen yet";
  control.Observe(Sequences(3), 100, 100000);
  EXPECT_LT(control.MaxUnits(Sequences(3)), 1);
  EXPECT_GT(control.MaxUnits(Sequences(3)), 0);
  EXPECT_EQ(control.MaxUnits(Sequences(0)), PromptControl::kNoLimit);
  EXPECT_EQ(PromptControl(0).MaxUnits(Sequences(3)), PromptControl::kNoLimit);
}

// On a shared machine one step in twenty takes more than twice as long whatever is in it.
TEST(PromptControl, LeavesToChanceWhatItTakes) {
  PromptControl quiet(2), shared(2);
  for (int i = 0; i < 2000; ++i) {
    quiet.Observe(Sequences(4), 0, i % 2 == 0 ? 1000 : 1100);
    shared.Observe(Sequences(4), 0, i % 20 == 0 ? 2500 : 1000);
  }
  for (PromptControl* control : {&quiet, &shared}) control->Observe(Sequences(4), 100, 11000);
  EXPECT_GT(quiet.MaxUnits(Sequences(4)), 3);
  EXPECT_NEAR(shared.MaxUnits(Sequences(4)), 1, 0.1) << "a tenth of what there is to give";
  EXPECT_GT(shared.BoundOf(Sequences(4), 1).short_units, 10) << "short prompts still go at once";
  // A single step of any length is no reason.
  quiet.Observe(Sequences(4), 0, 1'000'000);
  for (int i = 0; i < 20; ++i) quiet.Observe(Sequences(4), 0, 1000);
  quiet.Observe(Sequences(4), 100, 11000);
  EXPECT_GT(quiet.MaxUnits(Sequences(4)), 3);
}

// Else prompts would take more of the next steps, which are not stalled.
TEST(PromptControl, ASingleStalledStepIsNotWhatStepsTake) {
  PromptControl control(2);
  control.Observe(Sequences(4), 0, 1000);
  control.Observe(Sequences(4), 100, 11000);
  const double units = control.MaxUnits(Sequences(4));
  control.Observe(Sequences(4), 0, 1'000'000);
  EXPECT_LT(control.MaxUnits(Sequences(4)), 1.5 * units);
}

TEST(PromptControl, AStepThatWasShortByChanceDoesNotMakePromptsCheap) {
  PromptControl control(2);
  control.Observe(Sequences(4), 0, 1000);
  for (int i = 0; i < 20; ++i) control.Observe(Sequences(4), 10, 1500);
  const double units = control.MaxUnits(Sequences(4));
  control.Observe(Sequences(4), 10, 1000);
  EXPECT_LT(control.MaxUnits(Sequences(4)), 1.2 * units);
}

TEST(PromptControl, AStalledStepDoesNotMakePromptsDearAndWhatBecomesCheapIsSeen) {
  PromptControl control(2);
  for (int i = 0; i < 20; ++i) control.Observe(Sequences(4), 0, 1000);
  for (int i = 0; i < 40; ++i) control.Observe(Sequences(4), 10, 1500);
  const double units = control.MaxUnits(Sequences(4));
  control.Observe(Sequences(4), 10, 1'000'000);
  EXPECT_GT(control.MaxUnits(Sequences(4)), 0.7 * units);
  control.Observe(Sequences(4), 0, 1000);
  for (int i = 0; i < 40; ++i) control.Observe(Sequences(4), 10, 1500);
  control.Observe(Sequences(4), 0, 1000);
  for (int i = 0; i < 40; ++i) control.Observe(Sequences(4), 40, 1500);
  EXPECT_GT(control.MaxUnits(Sequences(4)), 3 * units);
}

// Where a prompt has little of each step, chance is most of what makes one longer.
TEST(PromptControl, ChanceDoesNotMakeSmallPiecesDear) {
  PromptControl control(2);
  const auto micros = [](int step, double units) {
    return static_cast<int64_t>(step % 2 == 0 ? 800 : 1200) + static_cast<int64_t>(20 * units);
  };
  for (int i = 0; i < 3000; ++i) control.Observe(Sequences(4), 0, micros(i, 0));
  control.Observe(Sequences(4), 100, micros(0, 100));
  double sum = 0;
  for (int i = 0; i < 3000; ++i) {
    const double units = std::min(control.MaxUnits(Sequences(4)), 256.0);
    control.Observe(Sequences(4), units, micros(i, units));
    sum += units;
  }
  EXPECT_GT(20 * sum / 3000, 200) << "microseconds; 300 of them fit: 1.6 / 1.2 steps";
  EXPECT_LT(20 * sum / 3000, 400);
}

// Answers of a thousand to five thousand tokens, which nobody has had before.
TEST(PromptControl, WhatAnswersGrowDoesNotMakePromptsDear) {
  PromptControl control(2);
  control.Observe({.num_rows = 4, .num_keys = 1000}, 0, 2000);
  control.Observe({.num_rows = 4, .num_keys = 1000}, 100, 12000);
  double least = 1000;
  for (int64_t keys = 1000; keys < 5000; keys += 4) {
    const Writing writing = {.num_rows = 4, .num_keys = keys};
    const double units = std::min(control.MaxUnits(writing), 256.0);
    control.Observe(writing, units, 1000 + keys + static_cast<int64_t>(100 * units));
    if (units > 0) least = std::min(least, 100 * units / double(1000 + keys));
  }
  EXPECT_GT(least, 0.04) << "a tenth of what steps took when that was last looked at";
}

// A stall of a millisecond makes one sequence's step four times as long.
TEST(PromptControl, WhatHoldsUpAShortStepIsLittleToALongOne) {
  PromptControl control(2);
  for (int i = 0; i < 2000; ++i) control.Observe(Sequences(1), 0, i % 20 == 0 ? 1300 : 300);
  for (int i = 0; i < 20; ++i) control.Observe(Sequences(32), 0, 6000);
  control.Observe(Sequences(32), 100, 11000);
  EXPECT_LT(control.MaxUnits(Sequences(1)), 1);
  EXPECT_GT(control.MaxUnits(Sequences(32)), 50);
}

// Answers that have grown have longer steps, of which a prompt may take more once that is usual.
TEST(PromptControl, LooksAtAnswersOfAnotherLengthAnew) {
  PromptControl control(2);
  control.Observe({.num_rows = 4, .num_keys = 100}, 0, 1000);
  control.Observe({.num_rows = 4, .num_keys = 100}, 100, 11000);
  EXPECT_EQ(control.MaxUnits({.num_rows = 4, .num_keys = 10}), 0) << "not known";
  EXPECT_EQ(control.MaxUnits({.num_rows = 4, .num_keys = 4000}),
            control.MaxUnits({.num_rows = 4, .num_keys = 100}))
      << "no less, as far as is known";
  for (int i = 0; i < 50; ++i) control.Observe({.num_rows = 4, .num_keys = 4000}, 100, 11000);
  EXPECT_EQ(control.MaxUnits({.num_rows = 4, .num_keys = 4000}), 0) << "time to look";
  for (int i = 0; i < 5000; ++i) control.Observe({.num_rows = 4, .num_keys = 4000}, 0, 3000);
  const double early = control.MaxUnits({.num_rows = 4, .num_keys = 110});
  const double late = control.MaxUnits({.num_rows = 4, .num_keys = 4000});
  EXPECT_NEAR(late, 3 * early, 1e-9);
}

// Steps that try another number of drafts are longer by that, not by chance, nor is their time that
// of the others. The machine takes 10 ms for a step, 50 us for a token of a prompt, and half a step
// for a draft of each sequence.
TEST(PromptControl, TrialsOfDraftsTellNothingOfOtherSteps) {
  constexpr int32_t kWriting = 32, kMaxDrafts = 6;
  PromptControl control(2);
  DraftControl drafts(kMaxDrafts);
  bool generates = false;
  int32_t last_drafts = -1;
  int num_least = 0, num_with_prompts = 0;
  double longest = 0;
  for (int step = 0; step < 20000; ++step) {
    const int32_t num_drafts = drafts.Choose(kWriting, generates);
    const Writing writing = {.num_rows = kWriting * (1 + num_drafts), .num_keys = 16000};
    const bool is_quiet = drafts.wants_quiet() || step < 2000;
    const double most = is_quiet ? 0 : control.MaxUnits(writing);
    const double units = most == 0 ? 0 : std::clamp(most, 4.0, 256.0);
    const double alone = 10'000 * (1 + 0.5 * num_drafts);
    const auto micros = static_cast<int64_t>(alone + 50 * units);
    control.Observe(writing, units, micros);
    if (units == 0 && generates && num_drafts == last_drafts) {
      drafts.Observe(kWriting, num_drafts, kWriting, micros);
    }
    generates = units == 0;
    last_drafts = num_drafts;
    if (units == 0 || step < 3000) continue;
    ++num_with_prompts;
    num_least += units < 10 ? 1 : 0;
    longest = std::max(longest, double(micros) / alone);
  }
  EXPECT_GT(num_with_prompts, 10000);
  EXPECT_LT(longest, 2);
  EXPECT_EQ(num_least, 0) << "as long by chance as a trial takes";
}

// Chance makes what a prompt takes longer, too: 1.15 times 1.4.
TEST(PromptControl, AStepWithAPromptIsAsUncertainAsOneWithout) {
  PromptControl control(2);
  for (int i = 0; i < 5000; ++i) control.Observe(Sequences(4), 0, i % 20 == 0 ? 1400 : 1000);
  control.Observe(Sequences(4), 100, 11000);
  const double stretch = control.MaxUnits(Sequences(4)) * 100 / 1020;
  EXPECT_GT(stretch, 0.1);
  EXPECT_LT(stretch, 0.25) << "a fifth of the bound is left";
}

// Answers of a thousand tokens one after the other, of which the last takes 3.5 times as long as
// the first: what their reader is used to is what a token usually takes.
TEST(PromptControl, ALongAnswerHasNoLongerGapsThanItsMedianAllows) {
  constexpr int kTokens = 1000;
  PromptControl control(2);
  std::vector<int64_t> quiet, busy;
  for (int step = 0; step < 20 * kTokens; ++step) {
    const int token = step % kTokens;
    const Writing writing = {.num_rows = 32, .num_keys = 32 * token};
    const int64_t alone = 4000 + 10 * token;
    const double most = step < 2 * kTokens ? 0 : std::min(control.MaxUnits(writing), 256.0);
    const auto micros = alone + static_cast<int64_t>(50 * most);
    control.Observe(writing, most, micros);
    if (most == 0) quiet.push_back(alone);
    if (step >= 3 * kTokens && most > 0) busy.push_back(micros);
  }
  std::sort(quiet.begin(), quiet.end());
  std::sort(busy.begin(), busy.end());
  ASSERT_GT(busy.size(), 15U * kTokens);
  const auto median = static_cast<double>(quiet[quiet.size() / 2]);
  EXPECT_LT(double(busy[busy.size() * 99 / 100]), 2 * median);
  EXPECT_GT(double(busy[busy.size() / 2]), 1.3 * median) << "and prompts go on";
}

TEST(PromptControl, ShortPromptsGoAtOnceWhereMoreOfThemWaitThanWrite) {
  PromptControl control(2);
  control.Observe(Sequences(4), 0, 1000);
  control.Observe(Sequences(4), 100, 11000);
  const double units = control.MaxUnits(Sequences(4));
  EXPECT_EQ(control.BoundOf(Sequences(4), 0.25).units, units);
  EXPECT_EQ(control.BoundOf(Sequences(4), 0.25).short_units, 4 * units);
  EXPECT_EQ(control.BoundOf(Sequences(4), 1).short_units, 4 * units);
  EXPECT_EQ(control.BoundOf(Sequences(4), 7).short_units, 28 * units);
  EXPECT_EQ(control.BoundOf(Sequences(4), 7).units, units) << "a long prompt has no more of a step";
  EXPECT_EQ(control.BoundOf(Sequences(0), 7).short_units, PromptControl::kNoLimit);
  EXPECT_EQ(PromptControl(2).BoundOf(Sequences(4), 7).short_units, 0)
      << "a step without prompts comes first";
}

}  // namespace
}  // namespace switchyard::core
