#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

struct ByteRange {
  uint8_t low;
  uint8_t high;
  bool Contains(uint8_t byte) const { return low <= byte && byte <= high; }
};

int SequenceLength(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

// The second byte's range shuts out overlong forms, surrogates and values over U+10FFFF (Unicode
// 15, table 3-7).
ByteRange SecondByteRange(uint8_t lead) {
  switch (lead) {
    case 0xe0:
      return {0xa0, 0xbf};
    case 0xed:
      return {0x80, 0x9f};
    case 0xf0:
      return {0x90, 0xbf};
    case 0xf4:
      return {0x80, 0x8f};
    default:
      return {0x80, 0xbf};
  }
}

}  // namespace

Utf8Head ReadUtf8Head(std::string_view bytes) {
  const uint8_t lead = bytes[0];
  const int length = SequenceLength(lead);
  if (length == 0) return {Utf8Head::Kind::kInvalid, 1};
  ByteRange range = SecondByteRange(lead);
  for (int i = 1; i < length; ++i) {
    if (i >= int(bytes.size())) return {Utf8Head::Kind::kIncomplete, i};
    if (!range.Contains(bytes[i])) return {Utf8Head::Kind::kInvalid, i};
    range = {0x80, 0xbf};
  }
  return {Utf8Head::Kind::kValid, length};
}

bool IsValidUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Head head = ReadUtf8Head(bytes);
    if (head.kind != Utf8Head::Kind::kValid) return false;
    bytes.remove_prefix(head.num_bytes);
  }
  return true;
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Utf8Head head = ReadUtf8Head(bytes);
    out += head.kind == Utf8Head::Kind::kValid ? bytes.substr(0, head.num_bytes) : kReplacement;
    bytes.remove_prefix(head.num_bytes);
  }
  return out;
}

void AppendUtf8(uint32_t codepoint, std::string& out) {
  const auto tail = [&](int shift) { out += char(0x80 | ((codepoint >> shift) & 0x3f)); };
  if (codepoint < 0x80) {
    out += char(codepoint);
  } else if (codepoint < 0x800) {
    out += char(0xc0 | (codepoint >> 6));
    tail(0);
  } else if (codepoint < 0x10000) {
    out += char(0xe0 | (codepoint >> 12));
    tail(6), tail(0);
  } else {
    out += char(0xf0 | (codepoint >> 18));
    tail(12), tail(6), tail(0);
  }
}

uint32_t DecodeUtf8(std::string_view character) {
  const auto byte = [&](int i) { return uint32_t{uint8_t(character[i])}; };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
    case 3:
      return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 |
             (byte(3) & 0x3f);
  }
}

std::string_view CharacterAfter(std::string_view text, size_t at) {
  if (at == text.size()) return {};
  return text.substr(at, ReadUtf8Head(text.substr(at)).num_bytes);
}

std::string_view CharacterBefore(std::string_view text, size_t at) {
  size_t begin = at;
  while (begin > 0 && (text[--begin] & 0xc0) == 0x80) {
  }
  return text.substr(begin, at - begin);
}

bool IsWhiteSpace(std::string_view character) {
  if (character.empty()) return false;
  const uint32_t c = DecodeUtf8(character);
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

}  // namespace switchyard::text
