// Numbers of a schema, exactly as they are written, and the texts of numbers between them.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_DECIMAL_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_DECIMAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/text/grammar/dfa.h"

namespace switchyard::text::grammar {

struct Decimal {
  bool is_negative = false;  // not for zero
  std::string whole = "0";   // no zeros before it
  std::string fraction;      // no zeros after it

  // REQUIRES: a finite JSON number. Its shortest form, so what the schema says.
  static Decimal Of(const Json& number);
  // 10 to the power of -`places`.
  static Decimal Places(int places);

  bool is_whole() const { return fraction.empty(); }
  bool is_zero() const { return whole == "0" && fraction.empty(); }
  Decimal Negated() const;
  // Below 0 if a < b, 0 if equal, above 0 if a > b.
  static int Compare(const Decimal& a, const Decimal& b);
  // REQUIRES: divisor > 0.
  bool IsMultipleOf(uint32_t divisor) const;
};

// What all number words of a schema ask for together.
struct NumberWords {
  struct Bound {
    Decimal value;
    bool is_exclusive = false;
  };
  bool is_integer = false;
  std::optional<Bound> min;
  std::optional<Bound> max;
  std::vector<uint32_t> multiples;  // of all of these, then whole
  std::optional<int> places_max;    // digits after the point

  bool is_any() const {
    return !min.has_value() && !max.has_value() && multiples.empty() && !places_max.has_value();
  }
  void RaiseMin(const Bound& bound);
  void LowerMax(const Bound& bound);
  // `multipleOf`. INVALID_ARGUMENT for one that digits do not show: it must be whole, up to 10000,
  // or 0.1, 0.01 and so on.
  absl::Status AddMultiple(const Decimal& divisor);
  bool Allows(const Decimal& value) const;
};

// The texts of such numbers: without exponent, with at most 18 digits before the point; after it as
// many as the bounds have, and at least so many that 15 digits are told apart. INVALID_ARGUMENT
// when a bound leaves only longer ones.
absl::StatusOr<Dfa> NumberTexts(const NumberWords& words, Budget& budget);

// Whether a number may satisfy words that NumberTexts has no text for: their bounds leave room that
// only longer texts show. True, too, for some that nothing satisfies beside `multipleOf`.
bool MayHoldUnwritten(const NumberWords& words);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_DECIMAL_H_
