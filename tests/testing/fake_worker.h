// A worker of whom only the stream is real: it says what a test tells it to.
#ifndef SWITCHYARD_TESTS_TESTING_FAKE_WORKER_H_
#define SWITCHYARD_TESTS_TESTING_FAKE_WORKER_H_

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "proto/worker.grpc.pb.h"

namespace switchyard::testing {

// One thread. Reads give up after 20 seconds, as if the stream had ended.
class FakeWorker {
 public:
  // Opens the stream and says nothing yet.
  explicit FakeWorker(std::shared_ptr<grpc::Channel> channel);
  // Breaks the stream if it is still open.
  ~FakeWorker();
  FakeWorker(const FakeWorker&) = delete;
  FakeWorker& operator=(const FakeWorker&) = delete;

  // False when the stream is over.
  bool Send(const v1::WorkerMessage& message);
  bool SendHello(int wanted_rank, const std::string& version, const std::string& isa = "portable");
  bool SendReady(const v1::Assignment& assignment);
  bool SendFault(absl::StatusCode code, const std::string& message);
  // Answers a plan; `token` is what every sequence samples.
  bool SendResult(const v1::StepPlan& plan, int rank, int32_t token);

  // The next message that is no heartbeat; none when the stream has ended.
  std::optional<v1::CoordinatorMessage> Read();
  // Whether the next message is a heartbeat.
  bool ReadHeartbeat();
  // The status that the coordinator ended the stream with; reads what comes before.
  absl::Status WaitForEnd();
  // Says goodbye; all that was sent is read before.
  void Leave();
  // As a process that was killed: what was sent just before may be lost.
  void Break();

 private:
  const std::unique_ptr<v1::Worker::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
  bool finished_ = false;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_FAKE_WORKER_H_
