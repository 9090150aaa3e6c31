// What Python's str methods and Jinja's text filters do, each part of the result keeping its
// origin.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_TEXT_OPS_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_TEXT_OPS_H_

#include <vector>

#include "coordinator/text/jinja_runtime.h"
#include "coordinator/text/jinja_text.h"

namespace switchyard::text::jinja {

enum class Case {
  kUpper,
  kLower,
  kCapitalize,  // the first letter upper, the others lower
  kTitle,       // str.title(): a capital after whatever is no letter
  kTitleWords,  // Jinja's title filter: a capital after a blank, hyphen or opening bracket
};
Text ChangeCase(Runtime& runtime, const Text& text, Case wanted);

// `times_max` < 0: all.
Text Replace(Runtime& runtime, const Text& text, const Text& old_text, const Text& new_text,
             int64_t times_max);

// At `separator`; at white space, without empty parts, if it is null. At most `splits_max` cuts if
// that is not negative. REQUIRES: *separator is not empty.
std::vector<Text> Split(Runtime& runtime, const Text& text, const std::string* separator,
                        int64_t splits_max);
// The same, counting cuts from the right.
std::vector<Text> SplitFromRight(Runtime& runtime, const Text& text, const std::string* separator,
                                 int64_t splits_max);
// Without the line ends.
std::vector<Text> SplitLines(Runtime& runtime, const Text& text);

Text Join(Runtime& runtime, const std::vector<Value>& items, const Text& separator);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_TEXT_OPS_H_
