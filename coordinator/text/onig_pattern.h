// The regular expressions of tokenizer.json are written for Oniguruma (Ruby syntax). Here they
// become PCRE2 patterns that match the same text.
//
// Where the two differ: in Oniguruma `^` and `$` always stand at line borders, `(?m)` lets `.`
// match a newline, `\s` and `\w` are Unicode's White_Space and word characters (PCRE2 adds U+180E
// to the one and takes marks from the other), `\p{Han}` has no characters of other scripts, `\h` is
// a hexadecimal digit and `\v` is U+000B.
#ifndef SWITCHYARD_COORDINATOR_TEXT_ONIG_PATTERN_H_
#define SWITCHYARD_COORDINATOR_TEXT_ONIG_PATTERN_H_

#include <string>
#include <string_view>

#include "base/status.h"

namespace switchyard::text {

// The PCRE2 pattern, to be compiled with UTF, UCP and MULTILINE. UNIMPLEMENTED, naming the
// construct and where it stands, for what has no sure counterpart: nested classes, class
// intersection, `\b`, subexpression calls, possessive intervals.
absl::StatusOr<std::string> TranslateOnigPattern(std::string_view pattern);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_ONIG_PATTERN_H_
