// A stream is a queue of operations, run one after another, and a place among other streams: a
// position of one stream may have to wait for positions of others. Events are such positions.
//
// Owner: Runtime. Thread: all fields under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_STREAM_H_
#define SWITCHYARD_EMULATOR_CUDART_STREAM_H_

#include <driver_types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace emu {

struct Capture;
struct Device;
struct GraphNode;
struct Stream;

// A place in a stream's order: reached when its first `position` operations are complete.
struct Point {
  std::shared_ptr<Stream> stream;  // null: reached
  uint64_t position = 0;

  bool Reached() const;
};

struct Operation {
  // Runs without the lock. An error other than success is the device's from then on. Empty: the
  // operation is only a place in the order.
  std::function<cudaError_t()> run;
  // Waits for somebody outside this device: a peer, a host function. Runs on a thread of its own.
  bool may_block = false;
  // Somebody who does not synchronise may wait for it: it runs soon even if nobody asks.
  bool seen_outside = false;
  std::vector<Point> after;
  std::chrono::steady_clock::time_point queued_at;
};

enum class StreamKind { kLegacy, kPerThread, kCreated };

struct Stream {
  StreamKind kind = StreamKind::kCreated;
  Device* device = nullptr;
  unsigned flags = 0;  // cudaStreamNonBlocking
  int priority = 0;    // 0 lowest, negative higher
  unsigned long long id = 0;
  cudaStreamAttrValue access_policy{};
  cudaSynchronizationPolicy synchronization_policy = cudaSyncPolicyAuto;

  std::deque<Operation> queue;  // [0] is position done + 1; taken out when it starts
  uint64_t queued = 0;          // operations ever queued
  uint64_t done = 0;            // of these, complete
  bool running = false;         // position done + 1 has started

  // While the stream takes part in a capture: the nodes that its next node follows.
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode*> capture_tail;

  // Takes part in the implicit order around the legacy stream.
  bool blocking() const { return kind != StreamKind::kLegacy && !(flags & cudaStreamNonBlocking); }
  bool idle() const { return done == queued; }
};

inline bool Point::Reached() const { return stream == nullptr || stream->done >= position; }

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_STREAM_H_
