// An event is the last place in a stream at which it was recorded, or a set of graph nodes when
// that was in a capture. An interprocess event also counts its records in memory that other
// processes map (ipc_event.h).
//
// Owner: Runtime. Thread: under Runtime::mutex, except Stamp.
#ifndef SWITCHYARD_EMULATOR_CUDART_EVENT_H_
#define SWITCHYARD_EMULATOR_CUDART_EVENT_H_

#include <atomic>
#include <memory>
#include <vector>

#include "emulator/cudart/stream.h"

namespace emu {

class IpcEvent;

struct Event {
  // When the device reached the record, in milliseconds of a steady clock. Host time: it says
  // nothing about a device's speed.
  struct Stamp {
    std::atomic<double> ms{0};
  };

  Device* device = nullptr;
  unsigned flags = 0;
  bool recorded = false;
  Point point;
  std::shared_ptr<Stamp> stamp;
  // Recorded in a capture: what a stream that waits for it depends on.
  std::weak_ptr<Capture> capture;
  std::vector<GraphNode*> captured_nodes;
  bool is_captured = false;
  std::shared_ptr<IpcEvent> ipc;  // null: not interprocess
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_EVENT_H_
