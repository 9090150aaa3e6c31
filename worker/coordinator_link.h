// The worker's stream to its coordinator: messages out from any thread, messages in through a
// queue.
#ifndef SWITCHYARD_WORKER_COORDINATOR_LINK_H_
#define SWITCHYARD_WORKER_COORDINATOR_LINK_H_

#include <grpcpp/channel.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/bounded_queue.h"
#include "base/status.h"
#include "proto/worker.grpc.pb.h"

namespace switchyard::worker {

class CoordinatorLink {
 public:
  // Opens the stream with `hello`; waits for a coordinator that is not there yet until the
  // deadline. `on_lost` is called once, on the link's own thread, when the stream ends without
  // Close.
  CoordinatorLink(std::shared_ptr<grpc::Channel> channel, const v1::WorkerHello& hello,
                  std::chrono::seconds connect_deadline, std::function<void()> on_lost);
  ~CoordinatorLink();

  // False when the stream is broken. Thread-safe.
  bool Send(const v1::WorkerMessage& message);

  // The next message. UNAVAILABLE when the stream has ended, with the coordinator's reason where it
  // gave one; DEADLINE_EXCEEDED.
  absl::StatusOr<v1::CoordinatorMessage> Next(std::chrono::milliseconds timeout);

  // Says goodbye and waits for the end of the stream.
  void Close();

 private:
  static constexpr size_t kMaxQueuedMessages = 64;
  void ReadAll();

  const std::function<void()> on_lost_;
  const std::unique_ptr<v1::Worker::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
  std::mutex write_mutex_;
  std::mutex end_mutex_;
  absl::Status end_;      // why the stream ended
  bool closing_ = false;  // we end it ourselves
  BoundedQueue<v1::CoordinatorMessage> incoming_;
  std::thread reader_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_COORDINATOR_LINK_H_
