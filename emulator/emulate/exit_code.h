// Exit codes of switchyard-emulate itself; those of the command that it becomes are the command's.
#ifndef SWITCHYARD_EMULATOR_EMULATE_EXIT_CODE_H_
#define SWITCHYARD_EMULATOR_EMULATE_EXIT_CODE_H_

namespace emu {

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 2;        // wrong flags
inline constexpr int kExitMissing = 3;      // the command or a library is not there
inline constexpr int kExitUnsupported = 4;  // a program that the emulator cannot run

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_EMULATE_EXIT_CODE_H_
