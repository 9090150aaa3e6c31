// The rules of style that a program can see (CONTRIBUTING.md, "Style"), file by file.
#ifndef SWITCHYARD_TESTS_TIDY_RULES_H_
#define SWITCHYARD_TESTS_TIDY_RULES_H_

#include <vector>

#include "tests/tidy/source_file.h"

namespace switchyard::tidy {

inline constexpr size_t kMaxColumns = 130;
inline constexpr size_t kMaxHeaderLines = 300;
inline constexpr size_t kMaxSourceLines = 600;

// Every text file: tabs, blanks at line ends, the end of the file, marks of unfinished work, long lines (not in Markdown,
// whose tables cannot be broken).
std::vector<Finding> CheckText(const SourceFile& file);

// C++: size, header guard, banner, namespace, console output, exceptions. Empty for other files.
std::vector<Finding> CheckCpp(const SourceFile& file);

// Over the whole tree: each .cc is named in some CMakeLists.txt.
std::vector<Finding> CheckListed(const std::vector<SourceFile>& files);

// All of the above and the include rules, in the order of `files`.
std::vector<Finding> CheckTree(const std::vector<SourceFile>& files);

}  // namespace switchyard::tidy

#endif  // SWITCHYARD_TESTS_TIDY_RULES_H_
