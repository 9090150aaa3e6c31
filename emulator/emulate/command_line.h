// The flags of switchyard-emulate, and the environment variables that they become.
#ifndef SWITCHYARD_EMULATOR_EMULATE_COMMAND_LINE_H_
#define SWITCHYARD_EMULATOR_EMULATE_COMMAND_LINE_H_

#include <string>
#include <vector>

#include "emulator/emulate/setting_list.h"

namespace emu {

struct CommandLine {
  enum class Action { kRun, kHelp, kListChecks, kPrintEnvironment };

  Action action = Action::kRun;
  SettingList emulator;              // for SWITCHYARD_EMULATOR
  SettingList nccl;                  // for SWITCHYARD_EMULATOR_NCCL
  std::vector<std::string> command;  // program and arguments; not empty for kRun
};

// `emulator` and `nccl`: what the two variables hold already; flags change it. False, with a
// sentence in *error, for a wrong flag or value, or where the command is missing.
bool ParseCommandLine(int argc, char** argv, const std::string& emulator, const std::string& nccl,
                      CommandLine* line, std::string* error);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_EMULATE_COMMAND_LINE_H_
