#include "coordinator/text/jinja_text_ops.h"

#include <utf8proc.h>

#include <algorithm>

#include "coordinator/text/jinja_print.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text::jinja {
namespace {

enum class Shape { kUpper, kLower, kTitle };

std::string WithShape(uint32_t codepoint, Shape shape) {
  const auto c = utf8proc_int32_t(codepoint);
  const utf8proc_int32_t changed = shape == Shape::kUpper   ? utf8proc_toupper(c)
                                   : shape == Shape::kLower ? utf8proc_tolower(c)
                                                            : utf8proc_totitle(c);
  std::string bytes;
  AppendUtf8(uint32_t(changed), bytes);
  return bytes;
}

bool IsLetter(uint32_t codepoint) {
  const auto category = utf8proc_category(utf8proc_int32_t(codepoint));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

bool BeginsWord(uint32_t previous) {
  return previous == '-' || previous == '(' || previous == '{' || previous == '[' ||
         previous == '<' || (previous <= ' ' && IsSpace(std::string(1, char(previous))));
}

// A cut of a text: the bytes [begin, end) go, what is between cuts stays.
struct Cut {
  size_t begin, end;
};

std::vector<Text> Apply(Runtime& runtime, const Text& text, const std::vector<Cut>& cuts,
                        bool keeps_empty) {
  std::vector<Text> parts;
  size_t begin = 0;
  const auto add = [&](size_t end) {
    if ((keeps_empty || end > begin) && runtime.Memory(sizeof(Text) + end - begin)) {
      parts.push_back(text.Slice(begin, end));
    }
  };
  for (const Cut& cut : cuts) {
    add(cut.begin);
    begin = cut.end;
  }
  add(text.size());
  return parts;
}

std::vector<Cut> FindAll(const std::string& bytes, const std::string& separator) {
  std::vector<Cut> cuts;
  for (size_t at = bytes.find(separator); at != std::string::npos;
       at = bytes.find(separator, at + separator.size())) {
    cuts.push_back({at, at + separator.size()});
  }
  return cuts;
}

std::vector<Cut> FindSpaces(const std::string& bytes) {
  std::vector<Cut> cuts;
  for (size_t at = 0; at < bytes.size(); at += CharBytes(bytes[at])) {
    if (!IsSpace(std::string_view(bytes).substr(at, CharBytes(bytes[at])))) continue;
    const size_t end = at + CharBytes(bytes[at]);
    if (!cuts.empty() && cuts.back().end == at) {
      cuts.back().end = end;
    } else {
      cuts.push_back({at, end});
    }
  }
  return cuts;
}

}  // namespace

Text ChangeCase(Runtime& runtime, const Text& text, Case wanted) {
  Text changed;
  uint32_t previous = 0;
  bool is_first = true;
  text.ForEachChar([&](std::string_view character, bool from_user) {
    const uint32_t codepoint = DecodeUtf8(character);
    Shape shape = wanted == Case::kUpper ? Shape::kUpper : Shape::kLower;
    if (wanted == Case::kCapitalize && is_first) shape = Shape::kTitle;
    if (wanted == Case::kTitle && !IsLetter(previous)) shape = Shape::kTitle;
    if (wanted == Case::kTitleWords && (is_first || BeginsWord(previous))) shape = Shape::kUpper;
    runtime.Append(changed, WithShape(codepoint, shape), from_user);
    previous = codepoint;
    is_first = false;
  });
  return changed;
}

Text Replace(Runtime& runtime, const Text& text, const Text& old_text, const Text& new_text,
             int64_t times_max) {
  Text replaced;
  const std::string& bytes = text.bytes();
  size_t begin = 0;  // of what is not yet copied
  size_t search = 0;
  for (int64_t times = 0; times_max < 0 || times < times_max; ++times) {
    const size_t at =
        search <= bytes.size() ? bytes.find(old_text.bytes(), search) : std::string::npos;
    if (at == std::string::npos) break;
    runtime.Append(replaced, text.Slice(begin, at));
    if (!runtime.Append(replaced, new_text)) break;
    begin = at + old_text.size();
    // Nothing is found before each character and at the end.
    search = !old_text.empty() ? begin : at < bytes.size() ? at + CharBytes(bytes[at]) : at + 1;
  }
  runtime.Append(replaced, text.Slice(begin, text.size()));
  return replaced;
}

std::vector<Text> Split(Runtime& runtime, const Text& text, const std::string* separator,
                        int64_t splits_max) {
  if (separator == nullptr) {
    const Text stripped = Strip(text, splits_max < 0 ? Side::kBoth : Side::kLeft);
    std::vector<Cut> cuts = FindSpaces(stripped.bytes());
    if (splits_max >= 0 && int64_t(cuts.size()) > splits_max) cuts.resize(size_t(splits_max));
    return Apply(runtime, stripped, cuts, /*keeps_empty=*/false);
  }
  std::vector<Cut> cuts = FindAll(text.bytes(), *separator);
  if (splits_max >= 0 && int64_t(cuts.size()) > splits_max) cuts.resize(size_t(splits_max));
  return Apply(runtime, text, cuts, /*keeps_empty=*/true);
}

std::vector<Text> SplitFromRight(Runtime& runtime, const Text& text, const std::string* separator,
                                 int64_t splits_max) {
  const Text stripped =
      separator != nullptr ? text : Strip(text, splits_max < 0 ? Side::kBoth : Side::kRight);
  std::vector<Cut> cuts;
  if (separator == nullptr) {
    cuts = FindSpaces(stripped.bytes());
  } else {
    // From the right, where separators that overlap are found elsewhere than from the left.
    const std::string& bytes = stripped.bytes();
    for (size_t end = bytes.size(); end >= separator->size();) {
      const size_t at = bytes.rfind(*separator, end - separator->size());
      if (at == std::string::npos) break;
      cuts.push_back({at, at + separator->size()});
      end = at;
    }
    std::reverse(cuts.begin(), cuts.end());
  }
  if (splits_max >= 0 && int64_t(cuts.size()) > splits_max)
    cuts.erase(cuts.begin(), cuts.end() - splits_max);
  return Apply(runtime, stripped, cuts, /*keeps_empty=*/separator != nullptr);
}

std::vector<Text> SplitLines(Runtime& runtime, const Text& text) {
  std::vector<Cut> cuts;
  const std::string& bytes = text.bytes();
  for (size_t at = bytes.find_first_of("\r\n"); at != std::string::npos;
       at = bytes.find_first_of("\r\n", cuts.back().end)) {
    const bool is_pair = bytes[at] == '\r' && at + 1 < bytes.size() && bytes[at + 1] == '\n';
    cuts.push_back({at, at + (is_pair ? 2 : 1)});
  }
  const bool ends_in_line_end = !cuts.empty() && cuts.back().end == bytes.size();
  std::vector<Text> lines = Apply(runtime, text, cuts, /*keeps_empty=*/true);
  if ((ends_in_line_end || bytes.empty()) && !lines.empty()) lines.pop_back();
  return lines;
}

Text Join(Runtime& runtime, const std::vector<Value>& items, const Text& separator) {
  Text joined;
  for (size_t i = 0; i < items.size() && !runtime.exhausted(); ++i) {
    if (i > 0) runtime.Append(joined, separator);
    AppendStr(runtime, joined, items[i]);
  }
  return joined;
}

}  // namespace switchyard::text::jinja
