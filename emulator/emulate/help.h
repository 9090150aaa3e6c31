// The texts of switchyard-emulate.
#ifndef SWITCHYARD_EMULATOR_EMULATE_HELP_H_
#define SWITCHYARD_EMULATOR_EMULATE_HELP_H_

namespace emu {

extern const char kHelpText[];
extern const char kChecksText[];

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_EMULATE_HELP_H_
