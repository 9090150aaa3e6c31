#include "emulator/nccl/process_identity.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace emu {
namespace {

struct ProcessStat {
  char state = 'X';
  uint64_t start_ticks = 0;
};

// /proc/PID/stat: "pid (name) state ..." with the start time as field 22; the name may hold blanks
// and parentheses, so fields are counted after the last one.
ProcessStat ReadStat(int32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  ProcessStat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.start_ticks;
  return stat;
}

}  // namespace

ProcessIdentity ThisProcess() {
  const auto pid = static_cast<int32_t>(getpid());
  return {.pid = pid, .start_ticks = ReadStat(pid).start_ticks};
}

bool IsAlive(const ProcessIdentity& process) {
  const ProcessStat stat = ReadStat(process.pid);
  return stat.state != 'X' && stat.state != 'Z' && stat.start_ticks == process.start_ticks;
}

}  // namespace emu
