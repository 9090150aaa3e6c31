// The worker's stream to its coordinator: messages go out and come in through queues, each with a
// thread behind it, so that the thread that computes waits for neither.
#ifndef SWITCHYARD_WORKER_COORDINATOR_LINK_H_
#define SWITCHYARD_WORKER_COORDINATOR_LINK_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/bounded_queue.h"
#include "base/status.h"
#include "proto/worker.grpc.pb.h"

namespace switchyard::worker {

struct CoordinatorLinkOptions {
  std::string address;                                 // as messages name it
  std::chrono::milliseconds connect_deadline{30'000};  // for a coordinator that is not there yet
  // A coordinator that says nothing for so long counts as lost; it sends heartbeats.
  std::chrono::milliseconds max_silence{10'000};
  const std::atomic<bool>* stop = nullptr;  // set from outside: waits no longer; null: never
  // Called once, on the link's own thread, when the stream ends without Close.
  std::function<void()> on_lost;
};

// A channel whose calls fail when the host at its other end is gone without a word.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           std::chrono::milliseconds max_silence);

class CoordinatorLink {
 public:
  // Opens the stream with `hello`. Where that fails, Next says why.
  CoordinatorLink(std::shared_ptr<grpc::Channel> channel, const v1::WorkerHello& hello,
                  CoordinatorLinkOptions options);
  ~CoordinatorLink();

  // Messages leave in the order of the calls. False when the stream is broken, or when the
  // coordinator takes nothing any more. Thread-safe.
  bool Send(v1::WorkerMessage message);

  // The next message that is no heartbeat. UNAVAILABLE when the stream has ended, with the
  // coordinator's reason where it gave one; DEADLINE_EXCEEDED.
  absl::StatusOr<v1::CoordinatorMessage> Next(std::chrono::milliseconds timeout);

  // Why the stream ended; OK while it has not.
  absl::Status end() const;

  // Sends what was asked for, says goodbye and waits for the end of the stream.
  void Close();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kMaxQueuedMessages = 64;
  absl::Status Connect(grpc::Channel& channel) const;
  void ReadAll();
  void WriteAll();
  void WatchSilence();

  const CoordinatorLinkOptions options_;
  const std::unique_ptr<v1::Worker::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
  mutable std::mutex end_mutex_;
  std::condition_variable ended_;
  absl::Status end_;      // why the stream ended
  bool closing_ = false;  // we end it ourselves
  bool silent_ = false;   // we cut it
  std::atomic<Clock::time_point> last_heard_;
  BoundedQueue<v1::CoordinatorMessage> incoming_;
  BoundedQueue<v1::WorkerMessage> outgoing_;
  std::thread reader_, writer_, watch_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_COORDINATOR_LINK_H_
