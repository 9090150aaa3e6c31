// Finding the program that a command names.
#ifndef SWITCHYARD_EMULATOR_EMULATE_PROGRAM_H_
#define SWITCHYARD_EMULATOR_EMULATE_PROGRAM_H_

#include <string>

namespace emu {

// The file that a shell would run for `name`: itself if it has a slash, else the first executable
// of that name in `search_path` (PATH's form; may be null). Empty, with a sentence, if there is
// none.
std::string FindProgram(const std::string& name, const char* search_path, std::string* error);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_EMULATE_PROGRAM_H_
