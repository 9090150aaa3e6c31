// Puts a communicator's operations into CUDA streams, through the runtime stand-in.
//
// What was enqueued runs when its stream comes to it, and, where the stream captures, whenever the
// graph does. Operations of one communicator keep their order over several streams: each is made to
// wait for the one before by an event, as the real library does.
//
// Non-blocking communicators get the behaviour that a program must be ready for: the call returns
// ncclInProgress, and the operation reaches its stream when the program asks for the state
// (ncclCommGetAsyncError), not before.
//
// Owner: the communicator's handle. Thread: any.
#ifndef SWITCHYARD_EMULATOR_NCCL_LAUNCH_QUEUE_H_
#define SWITCHYARD_EMULATOR_NCCL_LAUNCH_QUEUE_H_

#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>
#include <vector>

#include "emulator/nccl/communicator.h"
#include "emulator/nccl/operation.h"
#include "emulator/nccl/outcome.h"

namespace emu {

// The operations of one communicator in one group.
struct Launch {
  std::vector<Operation> operations;
  std::vector<cudaStream_t> streams;  // those that the calls named, each once; [0] runs them
};

class LaunchQueue {
 public:
  LaunchQueue() = default;
  ~LaunchQueue();
  LaunchQueue(const LaunchQueue&) = delete;
  LaunchQueue& operator=(const LaunchQueue&) = delete;

  // Now, or at FlushDeferred.
  Outcome Submit(const std::shared_ptr<Communicator>& comm, Launch launch, bool deferred);
  Outcome FlushDeferred(const std::shared_ptr<Communicator>& comm);
  bool has_deferred();

  // Waits for all that was enqueued outside of captures.
  Outcome Synchronize();

 private:
  // An event that marks the last operation, and where it was recorded.
  struct Mark {
    cudaEvent_t event = nullptr;  // null until the first operation
    bool recorded = false;
    unsigned long long capture = 0;  // 0: in a stream that did not capture
  };

  Outcome Enqueue(const std::shared_ptr<Communicator>& comm, const Launch& launch);
  Outcome EnqueueOnDevice(const std::shared_ptr<Communicator>& comm, const Launch& launch);

  std::mutex mutex_;
  std::vector<Launch> deferred_;  // by mutex_, as the marks
  Mark mark_;
  Mark capture_mark_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_LAUNCH_QUEUE_H_
