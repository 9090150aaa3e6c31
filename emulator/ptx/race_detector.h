// What all domains of a launch share: global memory's cells, the locations there that threads
// synchronise through, and how reports name a line.
//
// Owner: the observer of one launch. Thread: the launch's (race mode runs on one OS thread, so that
// a report can be had again from its seed).
#ifndef SWITCHYARD_EMULATOR_PTX_RACE_DETECTOR_H_
#define SWITCHYARD_EMULATOR_PTX_RACE_DETECTOR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "emulator/ptx/race_cell.h"
#include "emulator/ptx/race_clock.h"

namespace emu {

// What was released through one location. `narrow`: within block `narrow_block` of `narrow_domain`.
struct RaceSyncLocation {
  ClockPtr wide;
  ClockPtr narrow;
  uint32_t narrow_domain = 0;
  uint32_t narrow_block = 0;
};
using RaceSyncLocations = std::unordered_map<uint64_t, RaceSyncLocation>;

class RaceDetector {
 public:
  struct Config {
    bool uses_copies = true;      // the kernel has cp.async
    uint32_t global_readers = 4;  // kept per cell of global memory (RaceCells)
    // The text of a PTX line.
    std::function<std::string(uint32_t line)> line_text = [](uint32_t) { return std::string(); };
  };
  explicit RaceDetector(Config config)
      : config_(std::move(config)), global_cells_(config_.global_readers) {}

  const Config& config() const { return config_; }
  RaceCells& global_cells() { return global_cells_; }
  RaceSyncLocations& global_sync() { return global_sync_; }

 private:
  Config config_;
  RaceCells global_cells_;
  RaceSyncLocations global_sync_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_RACE_DETECTOR_H_
