#include "worker/coordinator_link.h"

#include <grpcpp/create_channel.h>

#include <algorithm>

#include "base/short_slices.h"
#include "proto/status_codes.h"

namespace switchyard::worker {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kGoodbyeDeadline(1);
constexpr milliseconds kConnectPoll(100);

}  // namespace

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, milliseconds max_silence) {
  grpc::ChannelArguments arguments;
  // Slower than the watch over heartbeats, which can say more; this one also covers other calls.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(max_silence.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(max_silence.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A proxy for the web (http_proxy in the environment) leads nowhere inside a cluster.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A plan may hold long prompts' tokens and many grammars; the coordinator bounds each.
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

CoordinatorLink::CoordinatorLink(std::shared_ptr<grpc::Channel> channel,
                                 const v1::WorkerHello& hello, CoordinatorLinkOptions options)
    : options_(std::move(options)),
      stub_(v1::Worker::NewStub(channel)),
      last_heard_(Clock::now()),
      incoming_(kMaxQueuedMessages),
      outgoing_(kMaxQueuedMessages) {
  end_ = Connect(*channel);
  if (!end_.ok()) {
    incoming_.Close();
    outgoing_.Close();
    return;
  }
  last_heard_ = Clock::now();
  stream_ = stub_->Session(&context_);
  v1::WorkerMessage message;
  *message.mutable_hello() = hello;
  Send(std::move(message));
  // The threads that compute take all cores.
  reader_ = std::thread([this] {
    PreferShortSlices();
    ReadAll();
  });
  writer_ = std::thread([this] {
    PreferShortSlices();
    WriteAll();
  });
  watch_ = std::thread([this] { WatchSilence(); });
}

absl::Status CoordinatorLink::Connect(grpc::Channel& channel) const {
  const Clock::time_point deadline = Clock::now() + options_.connect_deadline;
  while (!channel.WaitForConnected(std::chrono::system_clock::now() + kConnectPoll)) {
    if (options_.stop != nullptr && *options_.stop) {
      return absl::CancelledError("stopped while it waited for the coordinator");
    }
    if (Clock::now() >= deadline) {
      return absl::DeadlineExceededError(fmt::format(
          "no coordinator answered at {} within {} s; check the address and that it runs",
          options_.address, options_.connect_deadline.count() / 1000));
    }
  }
  return absl::OkStatus();
}

CoordinatorLink::~CoordinatorLink() { Close(); }

bool CoordinatorLink::Send(v1::WorkerMessage message) {
  return outgoing_.TryPush(std::move(message));
}

void CoordinatorLink::WriteAll() {
  constexpr std::chrono::hours kForAsLongAsItTakes(1);
  while (!outgoing_.closed() || outgoing_.size() > 0) {
    const std::optional<v1::WorkerMessage> message =
        outgoing_.Pop(Clock::now() + kForAsLongAsItTakes);
    if (message.has_value() && !stream_->Write(*message)) {
      outgoing_.Close();
      return;
    }
  }
  stream_->WritesDone();
}

void CoordinatorLink::ReadAll() {
  v1::CoordinatorMessage message;
  while (stream_->Read(&message)) {
    last_heard_ = Clock::now();
    if (message.has_heartbeat()) continue;
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
    if (silent_) {
      end_ = absl::UnavailableError(fmt::format("the coordinator at {} was lost: silent for {} s",
                                                options_.address,
                                                options_.max_silence.count() / 1000));
    } else if (status.ok()) {
      end_ = absl::UnavailableError("the coordinator ended the session");
    } else {
      end_ = absl::Status(status.code(), fmt::format("the coordinator: {}", Message(status)));
    }
  }
  ended_.notify_all();
  incoming_.Close();
  outgoing_.Close();
  if (lost && options_.on_lost) options_.on_lost();
}

// Cutting the stream also frees whoever is stuck in a Write.
void CoordinatorLink::WatchSilence() {
  std::unique_lock lock(end_mutex_);
  while (end_.ok()) {
    const Clock::time_point deadline = last_heard_.load() + options_.max_silence;
    if (Clock::now() < deadline) {
      ended_.wait_until(lock, deadline);
      continue;
    }
    silent_ = true;
    context_.TryCancel();
    return;
  }
}

absl::Status CoordinatorLink::end() const {
  std::lock_guard lock(end_mutex_);
  return end_;
}

absl::StatusOr<v1::CoordinatorMessage> CoordinatorLink::Next(std::chrono::milliseconds timeout) {
  std::optional<v1::CoordinatorMessage> message =
      incoming_.Pop(std::chrono::steady_clock::now() + timeout);
  if (message.has_value()) return *std::move(message);
  if (!incoming_.closed()) return absl::DeadlineExceededError("no message from the coordinator");
  return end();
}

void CoordinatorLink::Close() {
  {
    std::lock_guard lock(end_mutex_);
    closing_ = true;
  }
  if (!reader_.joinable()) return;
  outgoing_.Close();
  // The coordinator reads what was sent and answers by ending the stream; cancelled sooner, our
  // last word could be lost. One that hangs is not waited for.
  const auto deadline = std::chrono::steady_clock::now() + kGoodbyeDeadline;
  while (!incoming_.closed() && std::chrono::steady_clock::now() < deadline) {
    incoming_.Pop(deadline);
  }
  context_.TryCancel();  // also frees a Write that nobody takes
  reader_.join();
  writer_.join();
  watch_.join();
}

}  // namespace switchyard::worker
