#include "coordinator/text/grammar/code_points.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "coordinator/text/utf8.h"

namespace switchyard::text::grammar {
namespace {

constexpr uint32_t kFirstSurrogate = 0xd800;
constexpr uint32_t kLastSurrogate = 0xdfff;

std::string Utf8Of(uint32_t code_point) {
  std::string bytes;
  AppendUtf8(code_point, bytes);
  return bytes;
}

// The UTF-8 forms of [first, last], which have the same length: cut so that each part is a product
// of byte ranges.
void AddSameLength(const std::string& first, const std::string& last, uint32_t from, uint32_t to,
                   Nfa& nfa) {
  if (nfa.budget().is_spent()) return;
  const auto byte = [](const std::string& s, size_t i) { return static_cast<uint8_t>(s[i]); };
  if (first.size() == 1) {
    nfa.AddBytes(from, ByteRange(byte(first, 0), byte(last, 0)), to);
    return;
  }
  const std::string lowest(first.size() - 1, '\x80');
  const std::string highest(first.size() - 1, '\xbf');
  uint8_t begin = byte(first, 0);
  uint8_t end = byte(last, 0);
  const auto add = [&](uint8_t a, uint8_t b, const std::string& x, const std::string& y) {
    AddSameLength(x, y, nfa.AddBytes(from, ByteRange(a, b)), to, nfa);
  };
  if (begin == end) return add(begin, end, first.substr(1), last.substr(1));
  if (first.substr(1) != lowest) add(begin, begin, first.substr(1), highest), ++begin;
  if (last.substr(1) != highest) add(end, end, lowest, last.substr(1)), --end;
  if (begin <= end) add(begin, end, lowest, highest);
}

void AddRange(CodePoints::Range range, uint32_t from, uint32_t to, Nfa& nfa) {
  for (const uint32_t last_of_length : {0x7fu, 0x7ffu, 0xffffu, CodePoints::kMax}) {
    if (range.first > last_of_length) continue;
    const uint32_t last = std::min(range.last, last_of_length);
    AddSameLength(Utf8Of(range.first), Utf8Of(last), from, to, nfa);
    if (range.last == last) return;
    range.first = last + 1;
  }
}

// After the backslash.
void AddEscape(uint32_t code_point, uint32_t from, uint32_t to, Nfa& nfa) {
  constexpr std::string_view kShort =
      "\"\"\\\\\bb\ff\nn\rr\tt";  // what it means, how it is written
  for (size_t i = 0; i < kShort.size(); i += 2) {
    if (static_cast<uint8_t>(kShort[i]) != code_point) continue;
    const auto letter = static_cast<uint8_t>(kShort[i + 1]);
    return nfa.AddBytes(from, ByteRange(letter, letter), to);
  }
  constexpr std::string_view kLower = "0123456789abcdef";
  constexpr std::string_view kUpper = "0123456789ABCDEF";
  ByteSet last_digit;
  for (const std::string_view digits : {kLower, kUpper}) {
    last_digit.set(static_cast<uint8_t>(digits[code_point % 16]));
  }
  nfa.AddBytes(nfa.AddText(from, code_point < 16 ? "u000" : "u001"), last_digit, to);
}

// What lies before them, and behind.
std::array<CodePoints::Range, 2> WithoutSurrogates(const CodePoints::Range& range) {
  return {CodePoints::Range{range.first, std::min(range.last, kFirstSurrogate - 1)},
          CodePoints::Range{std::max(range.first, kLastSurrogate + 1), range.last}};
}

}  // namespace

CodePoints CodePoints::Of(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  CodePoints set;
  std::vector<Range>& merged = set.ranges_;
  for (const Range& range : ranges) {
    for (const Range& part : WithoutSurrogates(range)) {
      if (part.first > part.last) continue;
      if (!merged.empty() && part.first <= merged.back().last + 1) {
        merged.back().last = std::max(merged.back().last, part.last);
      } else {
        merged.push_back(part);
      }
    }
  }
  return set;
}

void CodePoints::Add(uint32_t first, uint32_t last) {
  std::vector<Range> all = std::move(ranges_);
  all.push_back({first, last});
  *this = Of(std::move(all));
}

void CodePoints::Add(const CodePoints& other) {
  std::vector<Range> all = std::move(ranges_);
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  *this = Of(std::move(all));
}

void CodePoints::AddOtherCase() {
  const CodePoints upper = Intersection(Of('A', 'Z'));
  const CodePoints lower = Intersection(Of('a', 'z'));
  for (const Range& range : upper.ranges_) Add(range.first + 32, range.last + 32);
  for (const Range& range : lower.ranges_) Add(range.first - 32, range.last - 32);
}

CodePoints CodePoints::Complement() const {
  std::vector<Range> others;
  uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) others.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kMax) others.push_back({next, kMax});
  return Of(std::move(others));
}

CodePoints CodePoints::Intersection(const CodePoints& other) const {
  std::vector<Range> both;
  auto a = ranges_.begin();
  auto b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    const Range shared = {std::max(a->first, b->first), std::min(a->last, b->last)};
    if (shared.first <= shared.last) both.push_back(shared);
    a->last < b->last ? ++a : ++b;
  }
  return Of(std::move(both));
}

uint32_t AddCodePoints(const CodePoints& set, Encoding encoding, uint32_t from, Nfa& nfa) {
  const uint32_t to = nfa.AddState();
  CodePoints escaped;
  if (encoding == Encoding::kJsonString) {
    escaped.Add(0, 0x1f);
    escaped.Add('"', '"');
    escaped.Add('\\', '\\');
  }
  const CodePoints as_they_are = set.Intersection(escaped.Complement());
  for (const CodePoints::Range& range : as_they_are.ranges()) {
    AddRange(range, from, to, nfa);
  }
  const CodePoints to_escape = set.Intersection(escaped);
  if (to_escape.ranges().empty()) return to;
  const uint32_t backslash = nfa.AddText(from, "\\");
  for (const CodePoints::Range& range : to_escape.ranges()) {
    for (uint32_t c = range.first; c <= range.last; ++c) AddEscape(c, backslash, to, nfa);
  }
  return to;
}

}  // namespace switchyard::text::grammar
