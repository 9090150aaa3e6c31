// Rules that every JSON grammar has in common: values of any content.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_JSON_RULES_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_JSON_RULES_H_

#include <cstdint>
#include <optional>

#include "coordinator/text/grammar/rule_book.h"

namespace switchyard::text::grammar {

enum class JsonSpacing {
  kCompact,   // {"a":[1,2]}: none
  kOneBlank,  // one blank, or none, behind each comma and colon: as most programs write JSON
  kFlexible,  // any number of blanks and line ends where JSON allows them
};

// Puts pieces of JSON into rules of `book`. Numbers have at most 18 digits before the point, 17
// after it and 2 in the exponent, so that every reader can hold them; strings have no half of a
// surrogate pair, escaped or not.
class JsonRules {
 public:
  JsonRules(RuleBook& book, JsonSpacing spacing) : book_(book), spacing_(spacing) {}

  // Each is made when it is first asked for.
  absl::StatusOr<uint32_t> Value();
  absl::StatusOr<uint32_t> Object();
  absl::StatusOr<uint32_t> Array();
  absl::StatusOr<uint32_t> String();
  bool IsValue(uint32_t rule) const { return value_ == rule; }
  // One character of a string, in any of its forms.
  absl::StatusOr<uint32_t> Character();

  // These go on in `nfa` from a state and return the state reached.
  uint32_t AddSpace(uint32_t from, Nfa& nfa) const;
  // With the blanks behind them, and before a colon; what stands before a comma ends with its own.
  uint32_t AddComma(uint32_t from, Nfa& nfa) const;
  uint32_t AddColon(uint32_t from, Nfa& nfa) const;

 private:
  uint32_t AddBehindMark(uint32_t from, Nfa& nfa) const;
  absl::Status FillValue(uint32_t rule);
  absl::Status FillObject(uint32_t rule);
  absl::Status FillArray(uint32_t rule);

  RuleBook& book_;
  JsonSpacing spacing_;
  std::optional<uint32_t> value_, object_, array_, string_, character_;
};

// One whole number, or any number, as above.
uint32_t AddInteger(uint32_t from, Nfa& nfa);
uint32_t AddNumber(uint32_t from, Nfa& nfa);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_JSON_RULES_H_
