// Runs one kernel to its end.
#ifndef SWITCHYARD_EMULATOR_PTX_LAUNCH_H_
#define SWITCHYARD_EMULATOR_PTX_LAUNCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "emulator/ptx/module.h"
#include "emulator/ptx/options.h"

namespace emu {

class Counters;

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t Count() const { return uint64_t{x} * y * z; }
};

struct LaunchConfig {
  Dim3 grid, block;
  Dim3 cluster;  // blocks per cluster; must divide the grid
  uint32_t dynamic_shared_bytes = 0;
  bool cooperative = false;           // all blocks co-resident, for grid.sync
  std::span<const std::byte> params;  // REQUIRES: kernel.param_bytes() bytes
};

struct LaunchResult {
  bool ok = true;
  std::string fault;  // one report: kind, kernel, block, thread, PTX line and text
};

// Blocks are spread over options.os_threads threads of the host and the call returns when all have
// ended, or at the first fault. A configuration that a real device refuses (too many threads, too
// much shared memory, a cluster that does not divide the grid) is a fault too. Thread: any; several
// launches may run at once.
// counters: may be null; filled if options.counters.
LaunchResult Launch(const Module& module, const Kernel& kernel, const LaunchConfig& config,
                    const Options& options, Counters* counters);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_LAUNCH_H_
