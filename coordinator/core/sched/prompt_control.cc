#include "coordinator/core/sched/prompt_control.h"

#include <algorithm>
#include <bit>

namespace switchyard::core {
namespace {

// New steps' share in what is known.
constexpr double kNewStep = 0.2;
constexpr double kNewPrice = 0.3;
// What a step of some size takes alone is looked at again after so many with prompts.
constexpr int32_t kStale = 50;
// Of the time that a prompt may take, so that steps which take longer by chance are within it, too.
constexpr double kUsed = 0.5;
// A unit costs something, whatever a step that was short by chance says. Of the step, over units.
constexpr double kLeastPrice = 0.01;

double Mix(double known, double seen, double share) {
  return known == 0 ? seen : known + share * (seen - known);
}

}  // namespace

double PromptControl::MaxUnits(int32_t num_writing) const {
  if (max_stretch_ == 0 || num_writing == 0) return kNoLimit;
  const Size& size = sizes_[SizeOf(num_writing)];
  if (size.micros == 0 || size.num_mixed >= kStale) return 0;
  if (micros_per_unit_ == 0) return kNoLimit;
  return (max_stretch_ - 1) * size.micros * kUsed / micros_per_unit_;
}

void PromptControl::Observe(int32_t num_writing, double prompt_units, int64_t num_micros) {
  const auto micros = static_cast<double>(std::max<int64_t>(num_micros, 1));
  if (num_writing == 0) return;
  Size& size = sizes_[SizeOf(num_writing)];
  if (prompt_units == 0) {
    size.micros = Mix(size.micros, micros, kNewStep);
    size.num_mixed = 0;
    return;
  }
  if (size.micros == 0) return;
  ++size.num_mixed;
  const double price = std::max(micros - size.micros, kLeastPrice * micros) / prompt_units;
  micros_per_unit_ = Mix(micros_per_unit_, price, kNewPrice);
}

int PromptControl::SizeOf(int32_t num_writing) {
  return std::min<int>(std::bit_width(static_cast<uint32_t>(num_writing)), kSizes - 1);
}

}  // namespace switchyard::core
