// Prompts beside requests that write: as much as keeps these going.
#include "coordinator/core/sched/prompt_control.h"

#include <gtest/gtest.h>

namespace switchyard::core {
namespace {

// A machine on which a sequence that writes takes 3 ms and `price` is what a prompt's token
// takes.
int64_t Micros(int32_t num_writing, int32_t num_prompt_tokens, double price) {
  return 7000 + 3000 * num_writing + static_cast<int64_t>(price * num_prompt_tokens);
}

// The longest step of `num_steps` with prompts, as a multiple of one without.
double LongestStretch(PromptControl& control, int32_t num_writing, double price, int num_steps) {
  double longest = 0;
  for (int i = 0; i < num_steps; ++i) {
    const int32_t tokens = std::min(control.MaxTokens(num_writing), 256);
    const int64_t micros = Micros(num_writing, tokens, price);
    control.Observe(num_writing, tokens, micros);
    longest = std::max(longest, double(micros) / double(Micros(num_writing, 0, price)));
  }
  return longest;
}

TEST(PromptControl, KeepsTheStretchOnceItKnowsThePrices) {
  PromptControl control(2);
  for (int i = 0; i < 20; ++i) control.Observe(1, 0, Micros(1, 0, 200));
  EXPECT_GT(LongestStretch(control, 1, 200, 1), 5) << "the first step is any length";
  EXPECT_LT(LongestStretch(control, 1, 200, 100), 2);
  EXPECT_LT(LongestStretch(control, 30, 200, 1), 2) << "of a size that was not met yet";
  // A little dearer with every step, as a prompt's tokens are.
  for (double price = 50; price < 340; price *= 1.02) {
    EXPECT_LT(LongestStretch(control, 1, price, 1), 2) << price;
  }
  EXPECT_GT(LongestStretch(control, 1, 40, 100), 1.5) << "and no less than that allows";
}

TEST(PromptControl, HasNoLimitWhereNobodyWaits) {
  PromptControl control(2);
  EXPECT_EQ(control.MaxTokens(3), PromptControl::kNoLimit) << "nothing is known";
  control.Observe(3, 0, 1000);
  control.Observe(3, 100, 100000);
  EXPECT_EQ(control.MaxTokens(3), PromptControl::kLeastTokens);
  EXPECT_EQ(control.MaxTokens(0), PromptControl::kNoLimit);
  EXPECT_EQ(PromptControl(0).MaxTokens(3), PromptControl::kNoLimit);
}

TEST(PromptControl, PromptsAlwaysGoOn) {
  PromptControl control(1.1);
  control.Observe(1, 0, 10);
  control.Observe(1, 1, 1000000);
  EXPECT_EQ(control.MaxTokens(1), PromptControl::kLeastTokens);
}

}  // namespace
}  // namespace switchyard::core
