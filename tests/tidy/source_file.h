// A file of the tree as the rules see it: its lines, and the same lines with nothing but code in them.
#ifndef SWITCHYARD_TESTS_TIDY_SOURCE_FILE_H_
#define SWITCHYARD_TESTS_TIDY_SOURCE_FILE_H_

#include <string>
#include <string_view>
#include <vector>

namespace switchyard::tidy {

struct SourceFile {
  std::string path;  // from the top folder: "base/status.h"
  std::string text;
  std::vector<std::string> lines;
  std::vector<std::string> code;  // C++ only: comments and the insides of literals are blanks

  std::string_view folder() const;     // "coordinator/core/kv"; empty at the top
  std::string_view name() const;       // "block_pool.cc"
  bool EndsWith(std::string_view suffix) const { return std::string_view(path).ends_with(suffix); }
  bool IsHeader() const { return EndsWith(".h") || EndsWith(".cuh"); }
  bool IsCpp() const { return IsHeader() || EndsWith(".cc") || EndsWith(".cu"); }
  // In `folder`, or below it.
  bool IsUnder(std::string_view folder) const;
};

SourceFile MakeSourceFile(std::string path, std::string text);

// One broken rule.
struct Finding {
  std::string path;
  int line = 1;
  std::string message;
};

}  // namespace switchyard::tidy

#endif  // SWITCHYARD_TESTS_TIDY_SOURCE_FILE_H_
