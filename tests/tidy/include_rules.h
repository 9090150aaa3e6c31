// Who may include whom (ARCHITECTURE.md, "Folders"): the one table.
#ifndef SWITCHYARD_TESTS_TIDY_INCLUDE_RULES_H_
#define SWITCHYARD_TESTS_TIDY_INCLUDE_RULES_H_

#include <vector>

#include "tests/tidy/source_file.h"

namespace switchyard::tidy {

// The includes of a C++ file that its folder may not have, and folders that stand in no row of the table.
std::vector<Finding> CheckIncludes(const SourceFile& file);

}  // namespace switchyard::tidy

#endif  // SWITCHYARD_TESTS_TIDY_INCLUDE_RULES_H_
