#include "coordinator/text/byte_alphabet.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr int kNumCodepoints = 0x100 + 68;

constexpr bool IsPrintableLatin1(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

// The byte of each codepoint, -1 outside the alphabet.
constexpr std::array<int16_t, kNumCodepoints> ByteOfCodepoint() {
  std::array<int16_t, kNumCodepoints> table{};
  table.fill(-1);
  int next_codepoint = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    table[IsPrintableLatin1(byte) ? byte : next_codepoint++] = int16_t(byte);
  }
  return table;
}

constexpr std::array<int16_t, kNumCodepoints> kByteOfCodepoint = ByteOfCodepoint();

}  // namespace

std::optional<std::string> BytesFromAlphabet(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const int num_bytes = ReadUtf8Head(token).num_bytes;
    const uint32_t codepoint = DecodeUtf8(token.substr(0, num_bytes));
    if (codepoint >= kNumCodepoints || kByteOfCodepoint[codepoint] < 0) return std::nullopt;
    bytes += char(kByteOfCodepoint[codepoint]);
    token.remove_prefix(num_bytes);
  }
  return bytes;
}

std::string AlphabetFromBytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    const auto codepoint = static_cast<uint32_t>(
        std::ranges::find(kByteOfCodepoint, int16_t{static_cast<uint8_t>(byte)}) -
        kByteOfCodepoint.begin());
    AppendUtf8(codepoint, text);
  }
  return text;
}

}  // namespace switchyard::text
