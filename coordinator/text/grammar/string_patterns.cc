// ReadPattern and ReadFormat of schema.h.
#include <string>

#include "coordinator/text/grammar/regex_parser.h"
#include "coordinator/text/grammar/schema.h"

namespace switchyard::text::grammar {
namespace {

// RFC 3339, without the 60th second; only days that the calendar has, and no year 0, which most
// readers refuse.
constexpr std::string_view kDate =
    "((\\d{3}[1-9]|\\d\\d[1-9]0|\\d[1-9]00|[1-9]000)-"
    "((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|"
    "02-(0[1-9]|1\\d|2[0-8]))|"
    "(\\d\\d(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)";
constexpr std::string_view kTime =
    "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
// RFC 3339, appendix A.
constexpr std::string_view kDuration =
    "P(\\d{1,9}W|(\\d{1,9}Y(\\d{1,9}M(\\d{1,9}D)?)?|\\d{1,9}M(\\d{1,9}D)?|\\d{1,9}D)"
    "(T(\\d{1,9}H(\\d{1,9}M(\\d{1,9}S)?)?|\\d{1,9}M(\\d{1,9}S)?|\\d{1,9}S))?|"
    "T(\\d{1,9}H(\\d{1,9}M(\\d{1,9}S)?)?|\\d{1,9}M(\\d{1,9}S)?|\\d{1,9}S))";
// RFC 1123, with at most four labels. The highest one begins with a letter, so that no name is an
// address.
constexpr std::string_view kLabel = "[A-Za-z0-9]([A-Za-z0-9-]{0,60}[A-Za-z0-9])?";
constexpr std::string_view kTopLabel = "[A-Za-z]([A-Za-z0-9-]{0,60}[A-Za-z0-9])?";
constexpr std::string_view kIpv4 =
    "((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
constexpr std::string_view kUuid =
    "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";
// RFC 4291: eight groups, or fewer with :: for at least one of them.
std::string Ipv6() {
  const std::string group = "[0-9A-Fa-f]{1,4}";
  std::string pattern = fmt::format("({0}:){{7}}{0}|::", group);
  for (int before = 0; before <= 7; ++before) {
    const std::string head = before == 0 ? "" : fmt::format("({}:){{{}}}", group, before);
    const int after_max = 7 - before;
    if (before > 0) pattern += fmt::format("|{}:", head);  // ends with ::
    if (after_max == 0) continue;
    pattern += fmt::format("|{0}{1}{2}(:{2}){{0,{3}}}", head, before == 0 ? "::" : ":", group,
                           after_max - 1);
  }
  return pattern;
}

// RFC 3986; a host is a name, and no user stands before it.
std::string Uri() {
  const std::string escape = "%[0-9A-Fa-f]{2}";
  const std::string host = fmt::format("([A-Za-z0-9._~-]|{})+(:\\d{{1,5}})?", escape);
  const std::string character = fmt::format("([A-Za-z0-9._~!$&'()*+,;=:@-]|{})", escape);
  return fmt::format(
      "[A-Za-z][A-Za-z0-9+.-]*:(//{0}(/{1}*)*|/?{1}+(/{1}*)*)(\\?({1}|[/?])*)?(#({1}|[/?])*)?",
      host, character);
}

absl::StatusOr<std::string> FormatRegex(std::string_view format) {
  if (format == "date") return std::string(kDate);
  if (format == "time") return std::string(kTime);
  if (format == "date-time") return fmt::format("{}T{}", kDate, kTime);
  if (format == "duration") return std::string(kDuration);
  if (format == "hostname") {
    return fmt::format("({}\\.){{0,3}}{}", kLabel, kTopLabel);
  }
  if (format == "email") {
    return fmt::format("[A-Za-z0-9_+-]{{1,20}}(\\.[A-Za-z0-9_+-]{{1,20}}){{0,2}}@({}\\.){{1,3}}{}",
                       kLabel, kTopLabel);
  }
  if (format == "ipv4") return std::string(kIpv4);
  if (format == "ipv6") return Ipv6();
  if (format == "uuid") return std::string(kUuid);
  if (format == "uri") return Uri();
  return absl::InvalidArgumentError(fmt::format("the format '{}' is not supported", format));
}

absl::StatusOr<StringPattern> Prepare(ExprPtr expr, Budget& budget) {
  Nfa nfa(budget);
  nfa.Accept(AddExpr(*expr, Encoding::kPlain, 0, nfa));
  SY_ASSIGN_OR_RETURN(Dfa plain, Determinize(nfa, budget));
  return StringPattern{std::move(expr), std::move(plain)};
}

}  // namespace

absl::StatusOr<StringPattern> ReadPattern(std::string_view pattern, Budget& budget) {
  SY_ASSIGN_OR_RETURN(const ExprPtr expr, ParseRegex(pattern, budget));
  SY_ASSIGN_OR_RETURN(ExprPtr whole, ExpandSearch(expr));
  return Prepare(std::move(whole), budget);
}

absl::StatusOr<StringPattern> ReadFormat(std::string_view format, Budget& budget) {
  SY_ASSIGN_OR_RETURN(const std::string regex, FormatRegex(format));
  SY_ASSIGN_OR_RETURN(ExprPtr expr, ParseRegex(regex, budget));
  return Prepare(std::move(expr), budget);
}

}  // namespace switchyard::text::grammar
