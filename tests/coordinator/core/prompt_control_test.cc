// Prompts beside requests that write: as much of one as keeps these going.
#include "coordinator/core/sched/prompt_control.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace switchyard::core {
namespace {

// A machine on which a sequence that writes takes 3 ms and `price` is what a unit of prompts takes.
int64_t Micros(int32_t num_writing, double prompt_units, double price) {
  return 7000 + 3000 * num_writing + static_cast<int64_t>(price * prompt_units);
}

// The longest step of `num_steps` with as much of a prompt as may be, as a multiple of one without.
double LongestStretch(PromptControl& control, int32_t num_writing, double price, int num_steps) {
  double longest = 0;
  for (int i = 0; i < num_steps; ++i) {
    const double units = std::min(control.MaxUnits(num_writing), 256.0);
    const int64_t micros = Micros(num_writing, units, price);
    control.Observe(num_writing, units, micros);
    longest = std::max(longest, double(micros) / double(Micros(num_writing, 0, price)));
  }
  return longest;
}

TEST(PromptControl, KeepsTheStretchOnceItKnowsThePrices) {
  PromptControl control(2);
  for (int i = 0; i < 20; ++i) control.Observe(1, 0, Micros(1, 0, 200));
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
  EXPECT_EQ(control.MaxUnits(30), 0) << "nothing is known";
  for (int i = 0; i < 20; ++i) control.Observe(30, 0, Micros(30, 0, 100));
  int num_without = 0;
  for (int i = 0; i < 1000; ++i) {
    const double units = std::min(control.MaxUnits(30), 256.0);
    control.Observe(30, units, Micros(30, units, 100));
    num_without += units == 0 ? 1 : 0;
  }
  EXPECT_GT(num_without, 5);
  EXPECT_LT(num_without, 50);
  EXPECT_EQ(control.MaxUnits(3), 0) << "a size that was not met yet";
}

TEST(PromptControl, HasNoLimitWhereNobodyWaits) {
  PromptControl control(2);
  control.Observe(3, 0, 1000);
  EXPECT_EQ(control.MaxUnits(3), PromptControl::kNoLimit) << "no prompt was seen yet";
  control.Observe(3, 100, 100000);
  EXPECT_LT(control.MaxUnits(3), 1);
  EXPECT_GT(control.MaxUnits(3), 0);
  EXPECT_EQ(control.MaxUnits(0), PromptControl::kNoLimit);
  EXPECT_EQ(PromptControl(0).MaxUnits(3), PromptControl::kNoLimit);
}

// On a shared machine one step in twenty takes more than twice as long whatever is in it.
TEST(PromptControl, LeavesToChanceWhatItTakes) {
  PromptControl quiet(2), shared(2);
  for (int i = 0; i < 2000; ++i) {
    quiet.Observe(4, 0, i % 2 == 0 ? 1000 : 1100);
    shared.Observe(4, 0, i % 20 == 0 ? 2500 : 1000);
  }
  for (PromptControl* control : {&quiet, &shared}) control->Observe(4, 100, 11000);
  EXPECT_GT(quiet.MaxUnits(4), 3);
  EXPECT_LT(shared.MaxUnits(4), 0.1);
  EXPECT_GT(shared.MaxUnits(4), 0) << "the least chunk, not none";
  EXPECT_GT(shared.BoundOf(4, 1).last_units, 10) << "short prompts still go at once";
  // A single step of any length is no reason.
  quiet.Observe(4, 0, 1'000'000);
  for (int i = 0; i < 20; ++i) quiet.Observe(4, 0, 1000);
  quiet.Observe(4, 100, 11000);
  EXPECT_GT(quiet.MaxUnits(4), 3);
}

TEST(PromptControl, ShortPromptsGoAtOnceWhereMoreOfThemWaitThanWrite) {
  PromptControl control(2);
  control.Observe(4, 0, 1000);
  control.Observe(4, 100, 11000);
  const double units = control.MaxUnits(4);
  EXPECT_EQ(control.BoundOf(4, 0.25).units, units);
  EXPECT_EQ(control.BoundOf(4, 0.25).last_units, 4 * units) << "a long prompt beside four answers";
  EXPECT_EQ(control.BoundOf(4, 1).last_units, 4 * units);
  EXPECT_EQ(control.BoundOf(4, 7).last_units, 28 * units);
  EXPECT_EQ(control.BoundOf(4, 7).units, units) << "a long prompt has no more of a step";
  EXPECT_EQ(control.BoundOf(0, 7).last_units, PromptControl::kNoLimit);
  EXPECT_EQ(PromptControl(2).BoundOf(4, 7).last_units, 0) << "a step without prompts comes first";
}

}  // namespace
}  // namespace switchyard::core
