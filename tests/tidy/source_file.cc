#include "tests/tidy/source_file.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace switchyard::tidy {
namespace {

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

// Walks C++ text and blanks what is no code. Lines stay where they are.
class CodeOnly {
 public:
  explicit CodeOnly(std::string text) : text_(std::move(text)) {}

  std::string Run() {
    while (at_ < text_.size()) {
      if (Sees("//")) {
        Blank(text_.find('\n', at_));
      } else if (Sees("/*")) {
        Blank(After("*/", at_ + 2));
      } else if (Sees("R\"")) {
        BlankRawString();
      } else if (text_[at_] == '"') {
        BlankQuoted('"');
      } else if (text_[at_] == '\'' && !IsDigitSeparator()) {
        BlankQuoted('\'');
      } else {
        ++at_;
      }
    }
    return std::move(text_);
  }

 private:
  bool Sees(std::string_view what) const { return std::string_view(text_).substr(at_).starts_with(what); }

  bool IsDigitSeparator() const {
    return at_ > 0 && std::isxdigit(static_cast<unsigned char>(text_[at_ - 1]));
  }

  size_t After(std::string_view what, size_t from) const {
    const size_t found = text_.find(what, from);
    return found == std::string::npos ? found : found + what.size();
  }

  void Blank(size_t end) {
    for (end = std::min(end, text_.size()); at_ < end; ++at_) {
      if (text_[at_] != '\n') text_[at_] = ' ';
    }
  }

  void BlankRawString() {
    const size_t open = text_.find('(', at_);
    if (open == std::string::npos) return Blank(open);
    const std::string close = ")" + text_.substr(at_ + 2, open - at_ - 2) + "\"";
    Blank(After(close, open));
  }

  void BlankQuoted(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    ++at_;  // the quotes stay
    Blank(end);
    ++at_;
  }

  std::string text_;
  size_t at_ = 0;
};

}  // namespace

std::string_view SourceFile::folder() const {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string_view() : std::string_view(path).substr(0, slash);
}

std::string_view SourceFile::name() const {
  return std::string_view(path).substr(path.rfind('/') + 1);
}

bool SourceFile::IsUnder(std::string_view top) const {
  return path.size() > top.size() && path[top.size()] == '/' && path.starts_with(top);
}

SourceFile MakeSourceFile(std::string path, std::string text) {
  SourceFile file{.path = std::move(path), .text = std::move(text)};
  file.lines = SplitLines(file.text);
  if (file.IsCpp()) file.code = SplitLines(CodeOnly(file.text).Run());
  return file;
}

}  // namespace switchyard::tidy
