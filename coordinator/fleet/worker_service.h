// The coordinator's end of the workers' streams (proto/worker.proto): turns them into calls on a
// listener, and sends. Decides nothing.
#ifndef SWITCHYARD_COORDINATOR_FLEET_WORKER_SERVICE_H_
#define SWITCHYARD_COORDINATOR_FLEET_WORKER_SERVICE_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "proto/worker.grpc.pb.h"

namespace switchyard::fleet {

// Numbers streams over the coordinator's life, from 1.
using ConnectionId = uint64_t;

// Called on gRPC's threads, for one connection one call at a time; must not block. Hears of a
// connection from its hello on.
class FleetListener {
 public:
  virtual ~FleetListener() = default;
  // The first message of a connection is its hello.
  virtual void OnWorkerMessage(ConnectionId connection, v1::WorkerMessage message) = 0;
  // Last call for a connection, whoever ended it.
  virtual void OnWorkerGone(ConnectionId connection) = 0;
};

struct WorkerServiceLimits {
  // Connections beyond these are refused: of all, and of those that have not said hello.
  size_t max_connections = 4096;
  size_t max_strangers = 256;
  // A connection must say hello within this time.
  std::chrono::milliseconds hello_deadline{5000};
};

// Reads and writes bytes, so that a message for many workers is put into bytes once, and all of
// their queues hold the same.
class WorkerService final : public v1::Worker::WithRawCallbackMethod_Session<v1::Worker::Service> {
 public:
  // A first message that is larger than this is no hello.
  static constexpr size_t kMaxHelloBytes = 4096;
  // Messages that wait for one slow worker; more end its connection.
  static constexpr size_t kMaxQueuedMessages = 64;

  // The listener outlives the server that runs this service.
  explicit WorkerService(FleetListener& listener, const WorkerServiceLimits& limits = {});
  ~WorkerService() override;

  // Queues a message; no effect on a connection that is gone. Thread-safe.
  void Send(ConnectionId connection, const v1::CoordinatorMessage& message);
  // The same to each of several.
  void Send(std::span<const ConnectionId> connections, const v1::CoordinatorMessage& message);
  // Sends what is queued, then ends the stream with `status`. Thread-safe.
  void End(ConnectionId connection, const absl::Status& status);
  // Sends to every connection that has said hello.
  void SendToAll(const v1::CoordinatorMessage& message);
  // Ends every stream, now and from now on.
  void EndAll(const absl::Status& status);
  // Ends the connections that have not said hello in time. To be called some times a second.
  void EndStrangers();
  size_t num_strangers() const;

 private:
  using Clock = std::chrono::steady_clock;
  class Stream;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Session(
      grpc::CallbackServerContext* context) override;
  std::shared_ptr<Stream> Find(ConnectionId connection);
  std::vector<std::shared_ptr<Stream>> Streams();
  static void SendTo(const std::vector<std::shared_ptr<Stream>>& streams,
                     const v1::CoordinatorMessage& message);
  void Introduce(ConnectionId connection);
  void Forget(ConnectionId connection);

  FleetListener& listener_;
  const WorkerServiceLimits limits_;
  mutable std::mutex mutex_;
  ConnectionId next_connection_ = 1;
  absl::Status closed_;  // not OK once EndAll was called
  std::unordered_map<ConnectionId, std::shared_ptr<Stream>> streams_;
  std::map<ConnectionId, Clock::time_point> strangers_;  // no hello yet; since when, oldest first
};

}  // namespace switchyard::fleet

#endif  // SWITCHYARD_COORDINATOR_FLEET_WORKER_SERVICE_H_
