#include "coordinator/text/charsmap.h"

#include <utf8proc.h>

#include <cstring>

#include "base/units.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr size_t kMaxClusterBytes = 5;  // longer ones go character by character

// A unit of darts-clone's array.
struct Unit {
  uint32_t bits;
  // A node below this one carries a value.
  bool HasLeaf() const { return (bits >> 8 & 1) != 0; }
  uint32_t Value() const { return bits & 0x7fff'ffff; }
  // No byte is equal to the label of a value.
  uint32_t Label() const { return bits & 0x8000'00ff; }
  uint64_t Offset() const { return uint64_t{bits >> 10} << ((bits & 0x200) >> 6); }
};

uint32_t ReadU32(std::string_view bytes) {
  uint32_t value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// The bytes of the grapheme cluster at the head of `text`.
size_t ClusterBytes(std::string_view text) {
  auto size = size_t(ReadUtf8Head(text).num_bytes);
  auto last = int32_t(DecodeUtf8(text.substr(0, size)));
  int32_t state = 0;
  while (size < text.size()) {
    const auto next_bytes = size_t(ReadUtf8Head(text.substr(size)).num_bytes);
    const auto next = int32_t(DecodeUtf8(text.substr(size, next_bytes)));
    if (utf8proc_grapheme_break_stateful(last, next, &state)) return size;
    last = next;
    size += next_bytes;
  }
  return size;
}

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Parse(std::string_view bytes) {
  constexpr size_t kWord = sizeof(uint32_t);
  if (bytes.size() < kWord) return absl::InvalidArgumentError("ends within the size of its trie");
  const uint32_t trie_bytes = ReadU32(bytes);
  bytes.remove_prefix(kWord);
  if (trie_bytes > bytes.size() || trie_bytes % kWord != 0 || trie_bytes == 0) {
    return absl::InvalidArgumentError(
        fmt::format("the trie has {} bytes of the {} that follow; they must be there, and a "
                    "multiple of 4",
                    trie_bytes, bytes.size()));
  }
  Charsmap charsmap;
  charsmap.units_.resize(trie_bytes / kWord);
  std::memcpy(charsmap.units_.data(), bytes.data(), trie_bytes);
  charsmap.texts_ = bytes.substr(trie_bytes);
  if (!IsValidUtf8(charsmap.texts_)) return absl::InvalidArgumentError("its texts are not UTF-8");
  return charsmap;
}

std::optional<std::string_view> Charsmap::Find(std::string_view characters) const {
  uint64_t node = Unit{units_[0]}.Offset();
  for (const char byte : characters) {
    if (byte == 0) return std::nullopt;
    node ^= uint8_t(byte);
    if (node >= units_.size()) return std::nullopt;
    const Unit unit{units_[node]};
    if (unit.Label() != uint8_t(byte)) return std::nullopt;
    node ^= unit.Offset();
    if (!unit.HasLeaf()) continue;
    const size_t at = node < units_.size() ? Unit{units_[node]}.Value() : texts_.size() + 1;
    const bool is_text =
        at <= texts_.size() && (at == texts_.size() || (uint8_t(texts_[at]) & 0xc0) != 0x80);
    if (!is_text) return std::nullopt;  // a faulty table: not the beginning of a text
    return std::string_view(texts_).substr(at, texts_.find('\0', at) - at);
  }
  return std::nullopt;
}

absl::StatusOr<std::string> Charsmap::Apply(std::string_view text, size_t max_bytes) const {
  std::string out;
  out.reserve(text.size());
  const auto too_long = [max_bytes] {
    return absl::ResourceExhaustedError(
        fmt::format("normalizing makes the text longer than {}", FormatBytes(int64_t(max_bytes))));
  };
  while (!text.empty()) {
    const std::string_view cluster = text.substr(0, ClusterBytes(text));
    text.remove_prefix(cluster.size());
    const auto whole = cluster.size() <= kMaxClusterBytes ? Find(cluster) : std::nullopt;
    out += whole.value_or("");
    for (std::string_view rest = whole ? "" : cluster; !rest.empty();) {
      const std::string_view character = rest.substr(0, size_t(ReadUtf8Head(rest).num_bytes));
      rest.remove_prefix(character.size());
      out += Find(character).value_or(character);
      if (out.size() > max_bytes) return too_long();
    }
    if (out.size() > max_bytes) return too_long();
  }
  return out;
}

}  // namespace switchyard::text
