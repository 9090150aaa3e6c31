#include "coordinator/core/sched/prompt_control.h"

#include <algorithm>
#include <bit>

namespace switchyard::core {
namespace {

// New steps' share in what is known.
constexpr double kNewStep = 0.2;
constexpr double kNewPrice = 0.3;
// One that was low by chance would let the next steps have far too much.
constexpr double kNewLowerPrice = 0.05;
// A step that is longer by chance than so many times the usual one counts as that.
constexpr double kMostChange = 2;
// What a step of some size takes alone is looked at again after so many with prompts.
constexpr int32_t kStale = 50;
// Of the time that a prompt may take, for prices are not known well.
constexpr double kUsed = 0.5;
// Steps take longer by chance, too; more than this share of them shall not be over the bound.
constexpr double kOver = 0.01;
constexpr double kChanceStep = 0.1;
// What is usual is so over as many steps as a long answer takes.
constexpr int32_t kUsualSteps = 1000;
// Of the bound: what a step takes is not known better, for requests come and go.
constexpr double kMargin = 0.8;
// The same where chance, or answers that have grown, leave nothing of the bound: else a long prompt
// would take many times as long as it does now, and readers would hardly notice.
constexpr double kLeastUsed = 0.1;
// How much dearer than a piece of a long prompt a short one may be.
constexpr double kShortPrompt = 4;
// A unit costs something, whatever a step that was short by chance says. Of the step, over units.
constexpr double kLeastPrice = 0.01;

double Mix(double known, double seen, double share) {
  return known == 0 ? seen : known + share * (seen - known);
}

}  // namespace

double PromptControl::MaxUnits(const Writing& writing) const {
  const Rows& rows = rows_[RowsOf(writing)];
  const double most = kMargin * max_stretch_ * rows.usual_micros / (1 + rows.chance);
  const double left = most / std::max(MicrosOf(writing), 1.0) - 1;
  const double whole = std::max(max_stretch_ - 1, 0.0);
  return UnitsOf(writing, std::clamp(left, kLeastUsed * whole, kUsed * whole));
}

PromptBound PromptControl::BoundOf(const Writing& writing, double prompts_per_writing) const {
  const double piece = UnitsOf(writing, (max_stretch_ - 1) * kUsed);
  return {.units = MaxUnits(writing),
          .short_units = piece * kShortPrompt * std::max(1.0, prompts_per_writing)};
}

double PromptControl::UnitsOf(const Writing& writing, double stretch) const {
  if (max_stretch_ == 0 || writing.num_rows == 0) return kNoLimit;
  const double micros = MicrosOf(writing);
  if (micros == 0 || sizes_[SizeOf(writing)].num_mixed >= kStale) return 0;
  if (micros_per_unit_ == 0) return kNoLimit;
  return stretch * micros / micros_per_unit_;
}

void PromptControl::Observe(const Writing& writing, double prompt_units, int64_t num_micros) {
  if (writing.num_rows == 0) return;
  const auto micros = static_cast<double>(std::max<int64_t>(num_micros, 1));
  Rows& rows = rows_[RowsOf(writing)];
  Size& size = sizes_[SizeOf(writing)];
  if (prompt_units == 0) {
    ObserveAlone(micros, rows, size);
  } else if (MicrosOf(writing) > 0) {
    ++size.num_mixed;
    ObservePrice(std::max(micros - MicrosOf(writing), kLeastPrice * micros) / prompt_units);
  }
  if (MicrosOf(writing) > 0) ObserveUsual(MicrosOf(writing), rows);
}

void PromptControl::ObserveAlone(double micros, Rows& rows, Size& size) {
  if (size.micros > 0) ObserveChance(micros / size.micros, rows);
  const double most = size.micros == 0 ? micros : kMostChange * size.micros;
  size.micros = Mix(size.micros, std::min(micros, most), kNewStep);
  size.num_mixed = 0;
}

// Goes up and down so that kOver of the steps are longer; one that is very long moves it no further
// than another.
void PromptControl::ObserveChance(double stretch, Rows& rows) {
  rows.chance += kChanceStep * (stretch > 1 + rows.chance ? 1 - kOver : -kOver);
  rows.chance = std::max(rows.chance, 0.0);
}

void PromptControl::ObservePrice(double price) {
  const double share = price > micros_per_unit_ ? kNewPrice : kNewLowerPrice;
  micros_per_unit_ = Mix(micros_per_unit_, price, share);
}

// The mean of the first steps, and of about as many later.
void PromptControl::ObserveUsual(double micros, Rows& rows) {
  rows.num_steps = std::min(rows.num_steps + 1, kUsualSteps);
  rows.usual_micros += (micros - rows.usual_micros) / rows.num_steps;
}

double PromptControl::MicrosOf(const Writing& writing) const {
  const size_t size = SizeOf(writing);
  for (size_t i = 0; i <= size % kNumKeys; ++i) {
    if (sizes_[size - i].micros > 0) return sizes_[size - i].micros;
  }
  return 0;
}

size_t PromptControl::SizeOf(const Writing& writing) {
  const size_t keys = std::bit_width(static_cast<uint64_t>(writing.num_keys));
  return RowsOf(writing) * kNumKeys + std::min<size_t>(keys, kNumKeys - 1);
}

size_t PromptControl::RowsOf(const Writing& writing) {
  const auto num_rows = static_cast<uint32_t>(writing.num_rows);
  const int width = std::bit_width(num_rows);
  const int is_upper_half = width > 1 ? static_cast<int>(num_rows >> (width - 2) & 1) : 0;
  return std::min<size_t>(2 * width + is_upper_half, kNumRows - 1);
}

}  // namespace switchyard::core
