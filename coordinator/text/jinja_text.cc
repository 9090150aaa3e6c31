#include "coordinator/text/jinja_text.h"

#include <algorithm>

#include "coordinator/text/utf8.h"

namespace switchyard::text::jinja {

bool Text::IsFromUser(size_t position) const {
  const size_t num_switches =
      std::upper_bound(cuts_.begin(), cuts_.end(), position) - cuts_.begin();
  return starts_from_user_ != (num_switches % 2 == 1);
}

void Text::Append(std::string_view bytes, bool from_user) {
  if (bytes.empty()) return;
  if (empty()) {
    starts_from_user_ = from_user;
    cuts_.clear();
  } else if (from_user != (starts_from_user_ != (cuts_.size() % 2 == 1))) {
    cuts_.push_back(size());
  }
  bytes_.append(bytes);
}

void Text::AppendSlice(const Text& other, size_t begin, size_t end) {
  if (begin >= end) return;
  auto cut = std::upper_bound(other.cuts_.begin(), other.cuts_.end(), begin);
  bool from_user = other.IsFromUser(begin);
  const std::string_view source = other.bytes_;
  while (begin < end) {
    const size_t run_end = cut != other.cuts_.end() ? std::min(*cut++, end) : end;
    Append(source.substr(begin, run_end - begin), from_user);
    begin = run_end;
    from_user = !from_user;
  }
}

Text Text::Slice(size_t begin, size_t end) const {
  Text slice;
  slice.AppendSlice(*this, begin, std::min(end, size()));
  return slice;
}

size_t CountChars(std::string_view bytes) {
  return std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

size_t CharOffset(std::string_view bytes, size_t char_index) {
  size_t offset = 0;
  for (; char_index > 0 && offset < bytes.size(); --char_index) offset += CharBytes(bytes[offset]);
  return std::min(offset, bytes.size());
}

bool IsSpace(std::string_view character) {
  if (character.empty()) return false;
  const uint32_t c = DecodeUtf8(character);
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

Text Strip(const Text& text, Side side, const std::string* chars) {
  const std::string_view bytes = text.bytes();
  const auto goes = [chars](std::string_view character) {
    return chars != nullptr ? chars->find(character) != std::string::npos : IsSpace(character);
  };
  size_t begin = 0;
  size_t end = bytes.size();
  while (side != Side::kRight && begin < end) {
    const size_t num_bytes = CharBytes(bytes[begin]);
    if (!goes(bytes.substr(begin, num_bytes))) break;
    begin += num_bytes;
  }
  while (side != Side::kLeft && end > begin) {
    size_t last = end - 1;
    while (last > begin && (bytes[last] & 0xc0) == 0x80) --last;
    if (!goes(bytes.substr(last, end - last))) break;
    end = last;
  }
  return text.Slice(begin, end);
}

}  // namespace switchyard::text::jinja
