// A string that remembers, byte by byte, whether a template wrote it or a request brought it.
//
// It is the string value of the chat template engine: all that a template does to a string keeps
// the origin of its parts, so that the rendered prompt can tell a special token that the template
// wrote from text of a user that only looks like one. Text is always valid UTF-8; positions called
// "char" count code points, as Python does, all others count bytes.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_TEXT_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace switchyard::text::jinja {

class Text {
 public:
  Text() = default;
  explicit Text(std::string bytes, bool from_user = false)
      : bytes_(std::move(bytes)), starts_from_user_(from_user) {}

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  // What the string costs in memory.
  size_t footprint() const { return bytes_.size() + cuts_.size() * sizeof(size_t); }

  bool IsFromUser(size_t position) const;
  // True if any byte came with the request.
  bool HasUserText() const { return !empty() && (starts_from_user_ || !cuts_.empty()); }

  void Append(std::string_view bytes, bool from_user);
  void Append(const Text& other) { AppendSlice(other, 0, other.size()); }
  // Appends the bytes [begin, end) of `other`, which may not be this text itself.
  void AppendSlice(const Text& other, size_t begin, size_t end);
  Text Slice(size_t begin, size_t end) const;

  // Calls visit(std::string_view part, bool from_user) for the maximal parts of one origin, in
  // order.
  template <typename Visitor>
  void ForEachRun(Visitor visit) const {
    size_t begin = 0;
    bool from_user = starts_from_user_;
    for (size_t i = 0; i <= cuts_.size(); ++i, from_user = !from_user) {
      const size_t end = i < cuts_.size() ? cuts_[i] : bytes_.size();
      if (end > begin) visit(std::string_view(bytes_).substr(begin, end - begin), from_user);
      begin = end;
    }
  }

  // Calls visit(std::string_view character, bool from_user) for each code point, in order.
  template <typename Visitor>
  void ForEachChar(Visitor visit) const;

 private:
  std::string bytes_;
  // Origins alternate: the bytes before cuts_[0] have this one, those before cuts_[1] the other,
  // and so on.
  bool starts_from_user_ = false;
  std::vector<size_t> cuts_;  // ascending, each in (0, size())
};

// Bytes of the code point that starts with `lead`.
inline size_t CharBytes(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

template <typename Visitor>
void Text::ForEachChar(Visitor visit) const {
  ForEachRun([&](std::string_view run, bool from_user) {
    for (size_t i = 0; i < run.size(); i += CharBytes(run[i])) {
      visit(run.substr(i, CharBytes(run[i])), from_user);
    }
  });
}

// Number of code points.
size_t CountChars(std::string_view bytes);
// Byte position of the code point number `char_index`, or bytes.size() if there are fewer.
size_t CharOffset(std::string_view bytes, size_t char_index);

// What Python's str.isspace calls space.
bool IsSpace(std::string_view character);

enum class Side { kLeft, kRight, kBoth };
// `text` without the characters of `chars` at its ends; without white space if `chars` is null.
Text Strip(const Text& text, Side side, const std::string* chars = nullptr);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_TEXT_H_
