// The formats of JSON Schema as their RFCs read, for tests: independent of the compiler, and wider
// where that writes less than a format has.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_JSON_FORMATS_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_JSON_FORMATS_H_

#include <string_view>

namespace switchyard::text::grammar {

// Whether `text` is of the format: date, time, date-time (RFC 3339), duration (its appendix A),
// hostname (RFC 1123), email (RFC 5321, without quotes and address literals), ipv4 (dotted
// decimal), ipv6 (RFC 4291), uuid (RFC 4122), uri (RFC 3986). False for another format.
bool HasFormat(std::string_view text, std::string_view format);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_JSON_FORMATS_H_
