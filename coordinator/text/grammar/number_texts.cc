// NumberTexts of decimal.h: digits are compared with those of the bounds from left to right, as
// long as they are the same.
#include <algorithm>
#include <map>
#include <tuple>

#include "coordinator/text/grammar/decimal.h"

namespace switchyard::text::grammar {
namespace {

constexpr int kMaxWholeDigits = 18;
constexpr int kToldApart = 15;  // digits of a double

// Numbers without sign between two that are not negative.
struct Magnitudes {
  NumberWords::Bound min;
  std::optional<NumberWords::Bound> max;
  int places_max = 0;
};

class MagnitudeWriter {
 public:
  MagnitudeWriter(const Magnitudes& magnitudes, Nfa& nfa) : words_(magnitudes), nfa_(nfa) {}

  // From `from` on; the states where a number may end accept.
  void Write(uint32_t from) {
    const std::string& least = words_.min.value.whole;
    const int shortest = static_cast<int>(least.size());
    int longest = kMaxWholeDigits;
    if (words_.max.has_value()) {
      longest = std::min(longest, static_cast<int>(words_.max->value.whole.size()));
    }
    for (int length = shortest; length <= longest; ++length) WriteWhole(from, length);
  }

 private:
  // So far the digits are the same as those of the bound.
  struct Tight {
    bool at_min = false;
    bool at_max = false;
    auto operator<=>(const Tight&) const = default;
  };

  // Calls go_on(digits, tight) for the sets of digits that may stand where the bounds have these.
  template <typename GoOn>
  static void ForDigits(Tight tight, char min_digit, char max_digit, char first, GoOn go_on) {
    for (char digit = first; digit <= '9'; ++digit) {
      if ((tight.at_min && digit < min_digit) || (tight.at_max && digit > max_digit)) continue;
      go_on(digit, Tight{tight.at_min && digit == min_digit, tight.at_max && digit == max_digit});
    }
  }

  void WriteWhole(uint32_t from, int length) {
    const std::string& min = words_.min.value.whole;
    const std::string max = words_.max.has_value() ? words_.max->value.whole : "";
    const Tight begin = {static_cast<int>(min.size()) == length,
                         static_cast<int>(max.size()) == length};
    std::map<Tight, uint32_t> states = {{begin, from}};
    for (int i = 0; i < length; ++i) {
      std::map<Tight, uint32_t> next;
      for (const auto& [tight, state] : states) {
        ForDigits(tight, tight.at_min ? min[i] : '0', tight.at_max ? max[i] : '9',
                  i == 0 && length > 1 ? '1' : '0', [&, state = state](char digit, Tight to) {
                    const bool is_new = !next.contains(to);
                    if (is_new) next[to] = i + 1 < length ? nfa_.AddState() : Fraction(to, 0);
                    AddDigit(state, digit, next[to]);
                  });
      }
      states = std::move(next);
    }
  }

  void AddDigit(uint32_t from, char digit, uint32_t to) {
    nfa_.AddBytes(from, ByteRange(static_cast<uint8_t>(digit), static_cast<uint8_t>(digit)), to);
  }

  static char DigitAt(const std::string& fraction, int place) {
    return place < static_cast<int>(fraction.size()) ? fraction[place] : '0';
  }

  bool MayEnd(Tight tight, int place) const {
    if (tight.at_min) {
      const auto rest = static_cast<int>(words_.min.value.fraction.size()) - place;
      if (rest > 0 || words_.min.is_exclusive) return false;
    }
    if (tight.at_max) {
      const auto rest = static_cast<int>(words_.max->value.fraction.size()) - place;
      if (rest <= 0 && words_.max->is_exclusive) return false;
    }
    return true;
  }

  // The state after `place` digits behind the point, and all after it.
  uint32_t Fraction(Tight tight, int place) {
    const auto [at, is_new] = fractions_.try_emplace({tight, place}, 0);
    if (!is_new) return at->second;
    const uint32_t state = at->second = nfa_.AddState();
    if (MayEnd(tight, place)) nfa_.Accept(state);
    if (place >= words_.places_max || nfa_.budget().is_spent()) return state;
    const uint32_t from = place == 0 ? nfa_.AddText(state, ".") : state;
    const std::string max = words_.max.has_value() ? words_.max->value.fraction : "";
    ForDigits(tight, DigitAt(words_.min.value.fraction, place), DigitAt(max, place), '0',
              [&](char digit, Tight to) { AddDigit(from, digit, Fraction(to, place + 1)); });
    return state;
  }

  const Magnitudes& words_;
  Nfa& nfa_;
  std::map<std::pair<Tight, int>, uint32_t> fractions_;
};

// Whole numbers that `divisor` divides, with leading zeros and signs of any kind.
absl::StatusOr<Dfa> MultiplesOf(uint32_t divisor, Budget& budget) {
  Nfa nfa(budget);
  std::vector<uint32_t> rests;
  for (uint32_t rest = 0; rest < divisor; ++rest) rests.push_back(nfa.AddState());
  SY_RETURN_IF_ERROR(budget.Check());
  nfa.AddJump(0, rests[0]);
  nfa.AddBytes(0, ByteRange('-', '-'), rests[0]);
  nfa.Accept(rests[0]);
  for (uint32_t rest = 0; rest < divisor; ++rest) {
    for (uint8_t digit = 0; digit < 10; ++digit) {
      const auto byte = static_cast<uint8_t>('0' + digit);
      nfa.AddBytes(rests[rest], ByteRange(byte, byte), rests[(rest * 10 + digit) % divisor]);
    }
  }
  return Determinize(nfa, budget);
}

int PlacesMax(const NumberWords& words) {
  if (words.is_integer) return 0;
  int places = 1;
  int whole = 1;
  for (const auto& bound : {words.min, words.max}) {
    if (!bound.has_value()) continue;
    places = std::max(places, static_cast<int>(bound->value.fraction.size()));
    whole = std::max(whole, static_cast<int>(bound->value.whole.size()));
  }
  places = std::max(places, kToldApart - whole);
  return std::min(places, words.places_max.value_or(places));
}

bool IsTooLong(const NumberWords::Bound& bound) {
  return bound.value.whole.size() > kMaxWholeDigits;
}

}  // namespace

bool MayHoldUnwritten(const NumberWords& words) {
  const std::optional<NumberWords::Bound>& min = words.min;
  const std::optional<NumberWords::Bound>& max = words.max;
  if (min.has_value() && max.has_value()) {
    const int order = Decimal::Compare(min->value, max->value);
    if (order > 0 || (order == 0 && (min->is_exclusive || max->is_exclusive))) return false;
  }
  const auto is_within = [](const auto& bound) { return bound.has_value() && !IsTooLong(*bound); };
  const bool has_all_places = words.is_integer || PlacesMax(words) == words.places_max;
  return !has_all_places || !is_within(min) || !is_within(max);
}

absl::StatusOr<Dfa> NumberTexts(const NumberWords& words, Budget& budget) {
  const int places_max = PlacesMax(words);
  Nfa nfa(budget);
  // Numbers from 0 on.
  Magnitudes positive = {.max = words.max, .places_max = places_max};
  if (words.min.has_value() && !words.min->value.is_negative) positive.min = *words.min;
  if (!words.max.has_value() || !words.max->value.is_negative) {
    if (IsTooLong(positive.min)) {
      return absl::InvalidArgumentError("a minimum has more than 18 digits");
    }
    MagnitudeWriter(positive, nfa).Write(0);
  }
  // Numbers below 0, by what follows the sign.
  Magnitudes negative = {.min = {.is_exclusive = true}, .places_max = places_max};
  if (words.max.has_value() && words.max->value.is_negative) {
    negative.min = {words.max->value.Negated(), words.max->is_exclusive};
  }
  if (words.min.has_value()) negative.max = {words.min->value.Negated(), words.min->is_exclusive};
  if (!words.min.has_value() || words.min->value.is_negative) {
    if (IsTooLong(negative.min)) {
      return absl::InvalidArgumentError("a maximum has more than 18 digits");
    }
    MagnitudeWriter(negative, nfa).Write(nfa.AddText(0, "-"));
  }
  SY_ASSIGN_OR_RETURN(Dfa texts, Determinize(nfa, budget));
  for (const uint32_t divisor : words.multiples) {
    SY_ASSIGN_OR_RETURN(const Dfa multiples, MultiplesOf(divisor, budget));
    SY_ASSIGN_OR_RETURN(texts, Intersect(texts, multiples, budget));
  }
  return texts;
}

}  // namespace switchyard::text::grammar
