#include "tests/coordinator/text/grammar/json_formats.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace switchyard::text::grammar {
namespace {

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool IsLetter(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); }
bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }
bool IsOneOf(char c, std::string_view set) { return set.find(c) != set.npos; }

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

// What stands between the marks: one piece more than there are marks.
std::vector<std::string_view> Split(std::string_view text, char mark) {
  std::vector<std::string_view> pieces;
  for (size_t at = text.find(mark); at != text.npos; at = text.find(mark)) {
    pieces.push_back(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  pieces.push_back(text);
  return pieces;
}

// A number of exactly so many digits.
std::optional<int> Number(std::string_view text, size_t num_digits) {
  if (text.size() != num_digits || !All(text, IsDigit)) return std::nullopt;
  int number = 0;
  for (const char digit : text) number = 10 * number + (digit - '0');
  return number;
}

// RFC 3339, 5.6 and appendix C.
bool IsDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto year = Number(text.substr(0, 4), 4), month = Number(text.substr(5, 2), 2),
             day = Number(text.substr(8, 2), 2);
  if (!year || !month || !day || *month < 1 || *month > 12) return false;
  const bool is_leap = *year % 4 == 0 && (*year % 100 != 0 || *year % 400 == 0);
  const std::array num_days = {31, is_leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return *day >= 1 && *day <= num_days[*month - 1];
}

// "hh:mm" as minutes.
std::optional<int> HoursAndMinutes(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = Number(text.substr(0, 2), 2), minute = Number(text.substr(3), 2);
  if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
  return *hour * 60 + *minute;
}

// From UTC, minutes.
std::optional<int> Offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.empty() || !IsOneOf(text[0], "+-")) return std::nullopt;
  const auto minutes = HoursAndMinutes(text.substr(1));
  if (!minutes) return std::nullopt;
  return text[0] == '-' ? -*minutes : *minutes;
}

bool IsTime(std::string_view text) {
  if (text.size() < 8 || text[5] != ':') return false;
  const auto minutes = HoursAndMinutes(text.substr(0, 5));
  const auto second = Number(text.substr(6, 2), 2);
  text.remove_prefix(8);
  if (text.starts_with('.')) {
    const size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (end == 1) return false;
    text.remove_prefix(end);
  }
  const auto offset = Offset(text);
  if (!minutes || !second || !offset || *second > 60) return false;
  // A leap second is a day's last in UTC.
  return *second < 60 || (*minutes - *offset + 2 * 1440) % 1440 == 1439;
}

bool IsDateTime(std::string_view text) {
  return text.size() > 11 && IsOneOf(text[10], "Tt") && IsDate(text.substr(0, 10)) &&
         IsTime(text.substr(11));
}

// Numbers with units that follow each other in `units`, none left out between two: "1H2M".
bool IsChain(std::string_view text, std::string_view units) {
  size_t next = units.npos;
  while (!text.empty()) {
    const size_t num_digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (num_digits == 0 || num_digits == text.size()) return false;
    const size_t unit = units.find(text[num_digits]);
    if (unit == units.npos || (next != units.npos && unit != next)) return false;
    next = unit + 1;
    text.remove_prefix(num_digits + 1);
  }
  return next != units.npos;
}

// RFC 3339, appendix A: weeks alone, or a date, a time, or both.
bool IsDuration(std::string_view text) {
  if (!text.starts_with('P')) return false;
  text.remove_prefix(1);
  if (IsChain(text, "W")) return true;
  const size_t time = text.find('T');
  if (time == text.npos) return IsChain(text, "YMD");
  return (time == 0 || IsChain(text.substr(0, time), "YMD")) &&
         IsChain(text.substr(time + 1), "HMS");
}

// RFC 952 and RFC 1123, 2.1: the highest label is no number, so no name looks like an address.
bool IsHostname(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const std::vector<std::string_view> labels = Split(text, '.');
  const auto is_label = [](std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           All(label, [](char c) { return IsLetter(c) || IsDigit(c) || c == '-'; });
  };
  return All(labels.back(), IsDigit) ? false : std::all_of(labels.begin(), labels.end(), is_label);
}

bool IsEmail(std::string_view text) {
  const size_t at = text.find('@');
  if (at == text.npos) return false;
  const std::string_view local = text.substr(0, at), domain = text.substr(at + 1);
  if (local.empty() || local.size() > 64 || !IsHostname(domain)) return false;
  const std::vector<std::string_view> atoms = Split(local, '.');
  return std::all_of(atoms.begin(), atoms.end(), [](std::string_view atom) {
    return !atom.empty() && All(atom, [](char c) {
      return IsLetter(c) || IsDigit(c) || IsOneOf(c, "!#$%&'*+-/=?^_`{|}~");
    });
  });
}

bool IsIpv4(std::string_view text) {
  const std::vector<std::string_view> parts = Split(text, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           const auto number = part.size() > 3 ? std::nullopt : Number(part, part.size());
           return number && !part.empty() && *number <= 255 && (part.size() == 1 || part[0] != '0');
         });
}

// How many of the eight groups stand in `text`, which has no "::"; -1 if something else does.
int NumGroups(std::string_view text, bool is_end) {
  if (text.empty()) return 0;
  int num_groups = 0;
  const std::vector<std::string_view> groups = Split(text, ':');
  for (size_t i = 0; i < groups.size(); ++i) {
    const bool is_last = is_end && i + 1 == groups.size();
    if (is_last && IsIpv4(groups[i])) return num_groups + 2;
    if (groups[i].empty() || groups[i].size() > 4 || !All(groups[i], IsHex)) return -1;
    ++num_groups;
  }
  return num_groups;
}

// RFC 4291, 2.2: "::" stands once, for one group at least.
bool IsIpv6(std::string_view text) {
  const size_t gap = text.find("::");
  if (gap == text.npos) return NumGroups(text, true) == 8;
  const int before = NumGroups(text.substr(0, gap), false);
  const int after = NumGroups(text.substr(gap + 2), true);
  return before >= 0 && after >= 0 && before + after <= 7;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_mark = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_mark ? text[i] != '-' : !IsHex(text[i])) return false;
  }
  return true;
}

// Unreserved characters, sub-delims, escapes, and `more`.
bool IsUriText(std::string_view text, std::string_view more) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) return false;
      i += 2;
    } else if (!IsLetter(text[i]) && !IsDigit(text[i]) && !IsOneOf(text[i], "-._~!$&'()*+,;=") &&
               !IsOneOf(text[i], more)) {
      return false;
    }
  }
  return true;
}

// "v" and a number, for addresses of a later kind.
bool IsIpFuture(std::string_view text) {
  const size_t dot = text.find('.');
  return dot != text.npos && dot >= 2 && IsOneOf(text[0], "vV") &&
         All(text.substr(1, dot - 1), IsHex) && dot + 1 < text.size() &&
         text.find('%') == text.npos && IsUriText(text.substr(dot + 1), ":");
}

bool IsAuthority(std::string_view text) {
  if (const size_t at = text.find('@'); at != text.npos) {
    if (!IsUriText(text.substr(0, at), ":")) return false;
    text.remove_prefix(at + 1);
  }
  size_t end = std::min(text.find(':'), text.size());
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == text.npos) return false;
    const std::string_view address = text.substr(1, close - 1);
    if (!IsIpv6(address) && !IsIpFuture(address)) return false;
    end = close + 1;
  } else if (!IsUriText(text.substr(0, end), "")) {
    return false;
  }
  const std::string_view port = text.substr(end);
  return port.empty() || (port[0] == ':' && All(port.substr(1), IsDigit));
}

bool IsUri(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == text.npos || colon == 0 || !IsLetter(text[0])) return false;
  const auto is_of_scheme = [](char c) { return IsLetter(c) || IsDigit(c) || IsOneOf(c, "+-."); };
  if (!All(text.substr(0, colon), is_of_scheme)) return false;
  text.remove_prefix(colon + 1);
  const auto cut = [&](char mark) {  // what stands behind it
    const size_t at = std::min(text.find(mark), text.size());
    const std::string_view behind = text.substr(std::min(at + 1, text.size()));
    text = text.substr(0, at);
    return behind;
  };
  if (!IsUriText(cut('#'), ":@/?") || !IsUriText(cut('?'), ":@/?")) return false;
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    const size_t path = std::min(text.find('/'), text.size());
    if (!IsAuthority(text.substr(0, path))) return false;
    text.remove_prefix(path);
  }
  return IsUriText(text, ":@/");
}

constexpr std::pair<std::string_view, bool (*)(std::string_view)> kFormats[] = {
    {"date", IsDate},          {"time", IsTime},
    {"date-time", IsDateTime}, {"duration", IsDuration},
    {"hostname", IsHostname},  {"email", IsEmail},
    {"ipv4", IsIpv4},          {"ipv6", IsIpv6},
    {"uuid", IsUuid},          {"uri", IsUri}};

}  // namespace

bool HasFormat(std::string_view text, std::string_view format) {
  for (const auto& [name, is_one] : kFormats) {
    if (name == format) return is_one(text);
  }
  return false;
}

}  // namespace switchyard::text::grammar
