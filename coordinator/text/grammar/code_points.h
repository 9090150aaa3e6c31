// Sets of characters, and the bytes that stand for them.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_CODE_POINTS_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_CODE_POINTS_H_

#include <cstdint>
#include <vector>

#include "coordinator/text/grammar/nfa.h"

namespace switchyard::text::grammar {

// Unicode scalar values.
class CodePoints {
 public:
  struct Range {
    uint32_t first = 0;
    uint32_t last = 0;
  };
  static constexpr uint32_t kMax = 0x10ffff;

  static CodePoints All() { return CodePoints().Complement(); }
  static CodePoints Of(uint32_t first, uint32_t last) {
    CodePoints set;
    set.Add(first, last);
    return set;
  }

  // All of `ranges`, in any order. Takes n log n steps; so many calls of Add take n * n.
  // REQUIRES: first <= last <= kMax in each.
  static CodePoints Of(std::vector<Range> ranges);

  // Surrogates in the range are no scalar values and left out. REQUIRES: first <= last <= kMax.
  void Add(uint32_t first, uint32_t last);
  void Add(const CodePoints& other);
  // Both cases of each ASCII letter in the set.
  void AddOtherCase();
  CodePoints Complement() const;
  CodePoints Intersection(const CodePoints& other) const;

  // Ascending, apart from each other, no surrogates.
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

// How characters are written.
enum class Encoding {
  kPlain,  // UTF-8
  // Inside of a JSON string, in the shortest form: what needs no escape has none.
  kJsonString,
};

// Puts one character of `set` into `nfa`, from `from` to the state returned.
uint32_t AddCodePoints(const CodePoints& set, Encoding encoding, uint32_t from, Nfa& nfa);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_CODE_POINTS_H_
