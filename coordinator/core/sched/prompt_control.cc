#include "coordinator/core/sched/prompt_control.h"

#include <algorithm>
#include <bit>

namespace switchyard::core {
namespace {

// What a step takes alone is the mean of the first few, and of about as many later.
constexpr int32_t kSteps = 5;
// Of what is known of a price, where a step more has come.
constexpr double kKeptPrice = 0.98;
// A step that is longer by chance than so many times the usual one counts as that.
constexpr double kMostChange = 2;
// What a step of some size takes alone is looked at again after so many with prompts; sooner where
// it was not seen yet.
constexpr int32_t kStale = 50;
constexpr int32_t kUnseen = 10;
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

// Sizes of numbers, of which 2^`bits` are between a power of two and the next.
size_t SizeIn(uint64_t number, int bits) {
  const int width = std::bit_width(number);
  const int shift = width - 1 - bits;
  const uint64_t part = shift >= 0 ? number >> shift : number << -shift;
  return number == 0 ? 0 : (static_cast<size_t>(width) << bits) + (part & ((1u << bits) - 1));
}

// The mean of the first `most` values, and of about as many later. `num`: of those before.
void Average(double value, int32_t most, double& mean, int32_t& num) {
  num = std::min(num + 1, most);
  mean += (value - mean) / num;
}

}  // namespace

bool PromptControl::Size::IsStale() const { return num_mixed >= (micros == 0 ? kUnseen : kStale); }

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
  if (micros == 0 || sizes_[SizeOf(writing)].IsStale()) return 0;
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
    ObservePrice(prompt_units / MicrosOf(writing), micros / MicrosOf(writing) - 1);
  }
  if (MicrosOf(writing) == 0) return;
  Average(MicrosOf(writing), kUsualSteps, rows.usual_micros, rows.num_steps);
}

void PromptControl::ObserveAlone(double micros, Rows& rows, Size& size) {
  if (size.micros > 0) ObserveChance(micros / size.micros, rows);
  const double most = size.micros == 0 ? micros : kMostChange * size.micros;
  Average(std::min(micros, most), kSteps, size.micros, size.num_alone);
  size.num_mixed = 0;
}

// Goes up and down so that kOver of the steps are longer; one that is very long moves it no further
// than another.
void PromptControl::ObserveChance(double stretch, Rows& rows) {
  rows.chance += kChanceStep * (stretch > 1 + rows.chance ? 1 - kOver : -kOver);
  rows.chance = std::max(rows.chance, 0.0);
}

// Least squares: chance makes a step as much longer however little a prompt takes of it, so steps
// with much of prompts tell more. `units` and `stretch` are over what the step takes alone.
void PromptControl::ObservePrice(double units, double stretch) {
  const double most = micros_per_unit_ == 0 ? stretch : micros_per_unit_ * units + kMostChange;
  price_products_ = kKeptPrice * price_products_ + units * std::min(stretch, most);
  price_squares_ = kKeptPrice * price_squares_ + units * units;
  const double price = price_products_ / price_squares_;
  micros_per_unit_ = std::max(price, kLeastPrice / units);
}

double PromptControl::MicrosOf(const Writing& writing) const {
  const size_t size = SizeOf(writing);
  for (size_t i = 0; i <= size % kNumKeys; ++i) {
    if (sizes_[size - i].micros > 0) return sizes_[size - i].micros;
  }
  return 0;
}

size_t PromptControl::SizeOf(const Writing& writing) {
  const size_t keys = SizeIn(static_cast<uint64_t>(writing.num_keys), kKeySizes);
  return RowsOf(writing) * kNumKeys + std::min<size_t>(keys, kNumKeys - 1);
}

size_t PromptControl::RowsOf(const Writing& writing) {
  const size_t rows = SizeIn(static_cast<uint64_t>(writing.num_rows), kRowSizes);
  return std::min<size_t>(rows, kNumRows - 1);
}

}  // namespace switchyard::core
