// A capture under way: calls on its streams become nodes of a graph instead of work.
//
// Owner: its streams, shared. Thread: under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_CAPTURE_H_
#define SWITCHYARD_EMULATOR_CUDART_CAPTURE_H_

#include <driver_types.h>

#include <memory>
#include <thread>
#include <vector>

#include "emulator/cudart/graph.h"
#include "emulator/cudart/stream.h"

namespace emu {

struct Capture {
  unsigned long long id = 0;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;  // that began it
  Stream* origin = nullptr;
  std::vector<std::shared_ptr<Stream>> streams;  // the origin and those that joined
  std::shared_ptr<Graph> graph;
  bool invalid = false;  // an error ended it; only cudaStreamEndCapture is left

  // Ends it for all streams: they execute again.
  void Detach();
  // Every node is before, or among, the nodes that the origin's next one would follow.
  bool IsJoined() const;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_CAPTURE_H_
