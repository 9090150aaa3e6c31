#include "worker/coordinator_link.h"

#include "proto/status_codes.h"

namespace switchyard::worker {
namespace {

constexpr std::chrono::seconds kGoodbyeDeadline(1);

}  // namespace

CoordinatorLink::CoordinatorLink(std::shared_ptr<grpc::Channel> channel,
                                 const v1::WorkerHello& hello,
                                 std::chrono::seconds connect_deadline,
                                 std::function<void()> on_lost)
    : on_lost_(std::move(on_lost)),
      stub_(v1::Worker::NewStub(channel)),
      incoming_(kMaxQueuedMessages) {
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + connect_deadline)) {
    end_ = absl::DeadlineExceededError(
        fmt::format("no coordinator answered within {} s", connect_deadline.count()));
    incoming_.Close();
    return;
  }
  stream_ = stub_->Session(&context_);
  v1::WorkerMessage message;
  *message.mutable_hello() = hello;
  Send(message);
  reader_ = std::thread([this] { ReadAll(); });
}

CoordinatorLink::~CoordinatorLink() { Close(); }

bool CoordinatorLink::Send(const v1::WorkerMessage& message) {
  std::lock_guard lock(write_mutex_);
  return stream_ != nullptr && stream_->Write(message);
}

void CoordinatorLink::ReadAll() {
  v1::CoordinatorMessage message;
  while (stream_->Read(&message)) {
    if (!incoming_.TryPush(std::move(message))) {
      // The coordinator sends a plan for each result and little else: more than the queue holds is
      // no coordinator of ours.
      context_.TryCancel();
      break;
    }
    message.Clear();
  }
  absl::Status status = FromGrpc(stream_->Finish());
  bool lost;
  {
    std::lock_guard lock(end_mutex_);
    lost = !closing_;
    end_ = status.ok()
               ? absl::UnavailableError("the coordinator ended the session")
               : absl::Status(status.code(), fmt::format("the coordinator: {}", Message(status)));
  }
  incoming_.Close();
  if (lost && on_lost_) on_lost_();
}

absl::StatusOr<v1::CoordinatorMessage> CoordinatorLink::Next(std::chrono::milliseconds timeout) {
  std::optional<v1::CoordinatorMessage> message =
      incoming_.Pop(std::chrono::steady_clock::now() + timeout);
  if (message.has_value()) return *std::move(message);
  if (!incoming_.closed()) return absl::DeadlineExceededError("no message from the coordinator");
  std::lock_guard lock(end_mutex_);
  return end_;
}

void CoordinatorLink::Close() {
  {
    std::lock_guard lock(end_mutex_);
    closing_ = true;
  }
  if (!reader_.joinable()) return;
  {
    std::lock_guard lock(write_mutex_);
    stream_->WritesDone();
  }
  // The coordinator reads what was sent and answers by ending the stream; cancelled sooner, our
  // last word could be lost. One that hangs is not waited for.
  const auto deadline = std::chrono::steady_clock::now() + kGoodbyeDeadline;
  while (!incoming_.closed() && std::chrono::steady_clock::now() < deadline) {
    incoming_.Pop(deadline);
  }
  context_.TryCancel();
  reader_.join();
}

}  // namespace switchyard::worker
