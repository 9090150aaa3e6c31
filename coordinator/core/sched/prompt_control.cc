#include "coordinator/core/sched/prompt_control.h"

#include <algorithm>
#include <bit>

namespace switchyard::core {
namespace {

// New steps' share in what is known. A token costs more the further its prompt has come, so its
// price must follow quickly.
constexpr double kNewStep = 0.1;
constexpr double kNewPrice = 0.3;
// Of the time that prompts may take, so that a step that turns out dearer is within it, too.
constexpr double kUsed = 0.7;

double Mix(double known, double seen, double share) {
  return known == 0 ? seen : known + share * (seen - known);
}

int SizeOf(int32_t num_writing, int num_sizes) {
  return std::min<int>(std::bit_width(static_cast<uint32_t>(num_writing)), num_sizes - 1);
}

}  // namespace

int32_t PromptControl::MaxTokens(int32_t num_writing) const {
  if (max_stretch_ == 0 || num_writing == 0) return kNoLimit;
  const double micros = MicrosOf(num_writing);
  if (micros == 0 || micros_per_token_ <= 0) return kNoLimit;
  const double tokens = (max_stretch_ - 1) * micros * kUsed / micros_per_token_;
  return static_cast<int32_t>(std::clamp<double>(tokens, kLeastTokens, kNoLimit));
}

void PromptControl::Observe(int32_t num_writing, int32_t num_prompt_tokens, int64_t micros) {
  if (micros <= 0 || num_writing == 0) return;
  if (num_prompt_tokens == 0) {
    double& known = micros_[SizeOf(num_writing, kSizes)];
    known = Mix(known, static_cast<double>(micros), kNewStep);
    return;
  }
  const double alone = MicrosOf(num_writing);
  if (alone == 0) return;
  const double price = std::max(static_cast<double>(micros) - alone, 0.0) / num_prompt_tokens;
  micros_per_token_ = Mix(micros_per_token_, price, kNewPrice);
}

// The nearest size that is known, smaller ones first: what follows from it is on the safe side.
double PromptControl::MicrosOf(int32_t num_writing) const {
  const int size = SizeOf(num_writing, kSizes);
  for (int smaller = size; smaller >= 0; --smaller) {
    if (micros_[smaller] > 0) return micros_[smaller];
  }
  for (int larger = size + 1; larger < kSizes; ++larger) {
    if (micros_[larger] > 0) return micros_[larger];
  }
  return 0;
}

}  // namespace switchyard::core
