#include "coordinator/text/grammar/decimal.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace switchyard::text::grammar {
namespace {

constexpr uint32_t kMaxDivisor = 10'000;

// Moves the point by `exponent` places.
void Shift(int exponent, std::string& whole, std::string& fraction) {
  for (; exponent > 0; --exponent) {
    whole += fraction.empty() ? '0' : fraction.front();
    if (!fraction.empty()) fraction.erase(0, 1);
  }
  for (; exponent < 0; ++exponent) {
    fraction.insert(fraction.begin(), whole.empty() ? '0' : whole.back());
    if (!whole.empty()) whole.pop_back();
  }
}

int CompareMagnitude(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  const int order = a.whole.compare(b.whole);
  return order != 0 ? order : a.fraction.compare(b.fraction);
}

}  // namespace

Decimal Decimal::Of(const Json& number) {
  std::string text = number.dump();
  Decimal decimal;
  decimal.is_negative = text.starts_with('-');
  if (decimal.is_negative) text.erase(0, 1);
  const size_t e = text.find_first_of("eE");
  const int exponent = e == text.npos ? 0 : std::atoi(text.c_str() + e + 1);
  text.resize(std::min(e, text.size()));
  const size_t point = text.find('.');
  decimal.whole = text.substr(0, point);
  if (point != text.npos) decimal.fraction = text.substr(point + 1);
  Shift(exponent, decimal.whole, decimal.fraction);
  decimal.whole.erase(0, decimal.whole.find_first_not_of('0'));
  if (decimal.whole.empty()) decimal.whole.push_back('0');
  decimal.fraction.resize(decimal.fraction.find_last_not_of('0') + 1);
  if (decimal.is_zero()) decimal.is_negative = false;
  return decimal;
}

Decimal Decimal::Places(int places) {
  if (places == 0) return {.whole = "1"};
  std::string fraction(places, '0');
  fraction.back() = '1';
  return {.fraction = std::move(fraction)};
}

Decimal Decimal::Negated() const {
  Decimal negated = *this;
  negated.is_negative = !is_negative && !is_zero();
  return negated;
}

int Decimal::Compare(const Decimal& a, const Decimal& b) {
  if (a.is_negative != b.is_negative) return a.is_negative ? -1 : 1;
  return a.is_negative ? CompareMagnitude(b, a) : CompareMagnitude(a, b);
}

bool Decimal::IsMultipleOf(uint32_t divisor) const {
  uint64_t rest = 0;
  for (const char digit : whole) rest = (rest * 10 + static_cast<uint64_t>(digit - '0')) % divisor;
  return is_whole() && rest == 0;
}

void NumberWords::RaiseMin(const Bound& bound) {
  const int order = min.has_value() ? Decimal::Compare(bound.value, min->value) : 1;
  if (order > 0 || (order == 0 && bound.is_exclusive)) min = bound;
}

void NumberWords::LowerMax(const Bound& bound) {
  const int order = max.has_value() ? Decimal::Compare(bound.value, max->value) : -1;
  if (order < 0 || (order == 0 && bound.is_exclusive)) max = bound;
}

absl::Status NumberWords::AddMultiple(const Decimal& divisor) {
  if (divisor.is_negative || divisor.is_zero()) {
    return absl::InvalidArgumentError("must be above 0");
  }
  if (divisor.is_whole() && divisor.whole.size() <= 5) {
    const auto value = static_cast<uint32_t>(std::atoi(divisor.whole.c_str()));
    if (value <= kMaxDivisor) {
      multiples.push_back(value);
      is_integer = true;
      return absl::OkStatus();
    }
  }
  const int places = static_cast<int>(divisor.fraction.size());
  if (places > 0 && places <= 15 && Decimal::Compare(divisor, Decimal::Places(places)) == 0) {
    places_max = std::min(places, places_max.value_or(places));
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "multipleOf is supported for whole numbers from 1 to {} and for 0.1, 0.01 and so on",
      kMaxDivisor));
}

bool NumberWords::Allows(const Decimal& value) const {
  const auto is_outside = [](int order, const Bound& bound) {
    return order > 0 || (order == 0 && bound.is_exclusive);
  };
  if (is_integer && !value.is_whole()) return false;
  if (min.has_value() && is_outside(Decimal::Compare(min->value, value), *min)) return false;
  if (max.has_value() && is_outside(Decimal::Compare(value, max->value), *max)) return false;
  if (places_max.has_value() && static_cast<int>(value.fraction.size()) > *places_max) return false;
  return std::all_of(multiples.begin(), multiples.end(),
                     [&](uint32_t divisor) { return value.IsMultipleOf(divisor); });
}

}  // namespace switchyard::text::grammar
