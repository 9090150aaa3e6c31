#include "coordinator/fleet/worker_service.h"

#include <deque>
#include <optional>
#include <vector>

#include "proto/status_codes.h"

namespace switchyard::fleet {
namespace {

using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

absl::StatusOr<grpc::ByteBuffer> BytesOf(const v1::CoordinatorMessage& message) {
  grpc::ByteBuffer bytes;
  bool owns = false;  // of no matter: the buffer counts who holds it
  const grpc::Status status =
      grpc::SerializationTraits<v1::CoordinatorMessage>::Serialize(message, &bytes, &owns);
  if (!status.ok()) return FromGrpc(status);
  return bytes;
}

}  // namespace

// One worker's stream. gRPC calls the On... methods, one read and one write at a time; Send and End
// come from the coordinator. Lives until gRPC calls OnDone; `self_` keeps it until then.
class WorkerService::Stream final : public Reactor {
 public:
  Stream(WorkerService& service, ConnectionId id, grpc::CallbackServerContext* context)
      : service_(service), id_(id), context_(context) {}

  void Begin(std::shared_ptr<Stream> self) {
    self_ = std::move(self);
    StartRead(&incoming_);
  }

  void Send(const grpc::ByteBuffer& message) {
    {
      std::lock_guard lock(mutex_);
      if (end_.has_value()) return;
      if (outgoing_.size() < kMaxQueuedMessages) {
        outgoing_.push_back(message);
        if (!writing_) WriteNext();
        return;
      }
      outgoing_.clear();
      end_ = absl::ResourceExhaustedError("the worker does not read its messages");
      cancelling_ = true;
    }
    context_->TryCancel();  // the write under way may never end by itself
    std::lock_guard lock(mutex_);
    cancelling_ = false;
    if (!writing_) FinishOnce();
  }

  void End(const absl::Status& status) {
    std::lock_guard lock(mutex_);
    if (!end_.has_value()) FinishWhenIdle(status);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());  // the worker said goodbye, or its connection broke
    const bool is_small = incoming_.Length() <= kMaxHelloBytes;
    v1::WorkerMessage message;
    const bool is_one =
        (introduced_ || is_small) &&
        grpc::SerializationTraits<v1::WorkerMessage>::Deserialize(&incoming_, &message).ok();
    if (!introduced_) {
      if (!is_one || !message.has_hello()) {
        return End(absl::InvalidArgumentError("a worker's first message must be its hello"));
      }
      introduced_ = true;
      service_.Introduce(id_);
    }
    if (!is_one) return End(absl::InvalidArgumentError("what a worker sent is no WorkerMessage"));
    service_.listener_.OnWorkerMessage(id_, std::move(message));
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) outgoing_.clear();
    if (!outgoing_.empty()) return WriteNext();
    if (end_.has_value() && !cancelling_) FinishOnce();
  }

  void OnCancel() override { End(absl::CancelledError("the worker's connection broke")); }

  void OnDone() override {
    if (introduced_) service_.listener_.OnWorkerGone(id_);
    service_.Forget(id_);
    const std::shared_ptr<Stream> self = std::move(self_);  // may be the last owner
  }

 private:
  // REQUIRES for all below: mutex_ held.
  void WriteNext() {
    writing_ = true;
    current_ = std::move(outgoing_.front());
    outgoing_.pop_front();
    StartWrite(&current_);
  }
  void FinishWhenIdle(const absl::Status& status) {
    end_ = status;
    if (!writing_) FinishOnce();
  }
  void FinishOnce() {
    if (finished_) return;
    finished_ = true;
    Finish(ToGrpc(*end_));
  }

  WorkerService& service_;
  const ConnectionId id_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<Stream> self_;
  grpc::ByteBuffer incoming_;
  bool introduced_ = false;  // its hello has come; of the reads, which come one at a time
  std::mutex mutex_;
  std::deque<grpc::ByteBuffer> outgoing_;
  grpc::ByteBuffer current_;
  std::optional<absl::Status> end_;
  bool writing_ = false;
  bool cancelling_ = false;  // `context_` is in use: it would go with the stream's end
  bool finished_ = false;
};

namespace {

// A stream that is over before it began.
class Refusal final : public Reactor {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

WorkerService::WorkerService(FleetListener& listener, const WorkerServiceLimits& limits)
    : listener_(listener), limits_(limits) {}
WorkerService::~WorkerService() = default;

Reactor* WorkerService::Session(grpc::CallbackServerContext* context) {
  std::shared_ptr<Stream> stream;
  {
    std::lock_guard lock(mutex_);
    if (!closed_.ok()) return new Refusal(closed_);
    if (streams_.size() >= limits_.max_connections || strangers_.size() >= limits_.max_strangers) {
      return new Refusal(absl::ResourceExhaustedError("too many workers are connected"));
    }
    const ConnectionId id = next_connection_++;
    stream = std::make_shared<Stream>(*this, id, context);
    streams_.emplace(id, stream);
    strangers_.emplace(id, Clock::now());
  }
  stream->Begin(stream);
  return stream.get();
}

std::shared_ptr<WorkerService::Stream> WorkerService::Find(ConnectionId connection) {
  std::lock_guard lock(mutex_);
  const auto found = streams_.find(connection);
  return found == streams_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<WorkerService::Stream>> WorkerService::Streams() {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Stream>> streams;
  for (const auto& [id, stream] : streams_) {
    if (!strangers_.contains(id)) streams.push_back(stream);
  }
  return streams;
}

void WorkerService::Introduce(ConnectionId connection) {
  std::lock_guard lock(mutex_);
  strangers_.erase(connection);
}

void WorkerService::Forget(ConnectionId connection) {
  std::lock_guard lock(mutex_);
  streams_.erase(connection);
  strangers_.erase(connection);
}

void WorkerService::Send(ConnectionId connection, const v1::CoordinatorMessage& message) {
  Send(std::span(&connection, 1), message);
}

void WorkerService::Send(std::span<const ConnectionId> connections,
                         const v1::CoordinatorMessage& message) {
  std::vector<std::shared_ptr<Stream>> streams;
  for (const ConnectionId connection : connections) {
    if (auto stream = Find(connection)) streams.push_back(std::move(stream));
  }
  SendTo(streams, message);
}

void WorkerService::SendTo(const std::vector<std::shared_ptr<Stream>>& streams,
                           const v1::CoordinatorMessage& message) {
  const absl::StatusOr<grpc::ByteBuffer> bytes = BytesOf(message);
  for (const auto& stream : streams) {
    if (bytes.ok()) {
      stream->Send(*bytes);
    } else {
      stream->End(bytes.status());
    }
  }
}

void WorkerService::End(ConnectionId connection, const absl::Status& status) {
  if (const auto stream = Find(connection)) stream->End(status);
}

void WorkerService::SendToAll(const v1::CoordinatorMessage& message) { SendTo(Streams(), message); }

size_t WorkerService::num_strangers() const {
  std::lock_guard lock(mutex_);
  return strangers_.size();
}

void WorkerService::EndStrangers() {
  std::vector<std::shared_ptr<Stream>> late;
  {
    std::lock_guard lock(mutex_);
    const Clock::time_point latest = Clock::now() - limits_.hello_deadline;
    for (const auto& [id, since] : strangers_) {
      if (since > latest) break;
      late.push_back(streams_.at(id));
    }
  }
  const absl::Status status = absl::DeadlineExceededError(
      fmt::format("no hello within {} ms", limits_.hello_deadline.count()));
  for (const auto& stream : late) stream->End(status);
}

void WorkerService::EndAll(const absl::Status& status) {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    std::lock_guard lock(mutex_);
    closed_ = status;
    for (const auto& [id, stream] : streams_) streams.push_back(stream);
  }
  for (const auto& stream : streams) stream->End(status);
}

}  // namespace switchyard::fleet
