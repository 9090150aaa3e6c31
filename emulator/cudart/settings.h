// What a user may choose about the emulated machine: the text of the environment variable
// SWITCHYARD_EMULATOR, a comma-separated list of key=value. Keys that are not ours belong to the
// interpreter (emulator/ptx/options.h) and are handed to it unread.
//
//   streams=lazy|eager|random  when queued work runs: at synchronisation points and no earlier; at
//                              once; or at synchronisation points with a seeded choice among all
//                              streams that could run (default lazy)
//   devices=N                  devices of the machine, 1 to 16, before CUDA_VISIBLE_DEVICES (1)
//   memory=BYTES[K|M|G]        memory of each device, 1M to 1024G (4G)
//   progress_ms=MS             work that nobody waits for runs after this long, so that a host that
//                              polls memory sees it move; 0: never (1000)
//   counters_file=PATH         where counters=1 writes its JSON at exit; "%p" in it becomes the
//                              process's number (standard error)
//
// Owner: the process, read once. Thread: any, immutable after the first use.
#ifndef SWITCHYARD_EMULATOR_CUDART_SETTINGS_H_
#define SWITCHYARD_EMULATOR_CUDART_SETTINGS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "emulator/ptx/options.h"

namespace emu {

enum class StreamOrder { kLazy, kEager, kRandom };

struct Settings {
  Options interpreter;
  StreamOrder streams = StreamOrder::kLazy;
  int num_devices = 1;
  size_t memory_bytes = size_t{4} << 30;
  int progress_ms = 1000;
  std::string counters_file;  // empty: standard error
};

// False, with a sentence in `error`, when a key or a value is not understood.
bool ParseSettings(std::string_view text, Settings* settings, std::string* error);

// The settings of this process, parsed at the first call. A text that does not parse is reported on
// standard error once, and null is returned from then on.
const Settings* ProcessSettings();

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_SETTINGS_H_
