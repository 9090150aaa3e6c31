// The worker's stream against a coordinator that is mute, gone or not there at all.
#include "worker/coordinator_link.h"

#include <gtest/gtest.h>

#include "tests/testing/local_server.h"

namespace switchyard::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kLong = seconds(20);

// Takes streams and says only what a test makes it say, from the stream's beginning on.
class MuteCoordinator final : public v1::Worker::CallbackService {
 public:
  explicit MuteCoordinator(std::vector<v1::CoordinatorMessage> messages)
      : messages_(std::move(messages)) {}

 private:
  class Stream final : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage> {
   public:
    explicit Stream(const std::vector<v1::CoordinatorMessage>& messages) : messages_(messages) {
      OnWriteDone(true);
      StartRead(&incoming_);
    }
    void OnReadDone(bool ok) override { ok ? StartRead(&incoming_) : Finish(grpc::Status::OK); }
    void OnWriteDone(bool ok) override {
      if (ok && num_written_ < messages_.size()) StartWrite(&messages_[num_written_++]);
    }
    void OnDone() override { delete this; }

   private:
    const std::vector<v1::CoordinatorMessage>& messages_;
    size_t num_written_ = 0;
    v1::WorkerMessage incoming_;
  };

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Session(
      grpc::CallbackServerContext*) override {
    return new Stream(messages_);
  }

  const std::vector<v1::CoordinatorMessage> messages_;
};

v1::CoordinatorMessage Heartbeat() {
  v1::CoordinatorMessage message;
  message.mutable_heartbeat();
  return message;
}

v1::CoordinatorMessage Shutdown() {
  v1::CoordinatorMessage message;
  message.mutable_shutdown()->set_reason("enough");
  return message;
}

TEST(CoordinatorLink, SilentCoordinatorIsLost) {
  MuteCoordinator coordinator({Heartbeat()});
  testing::LocalServer server({&coordinator});
  std::atomic<int> num_lost{0};
  CoordinatorLink link(server.NewChannel(), {},
                       {.address = "somewhere:7070",
                        .max_silence = milliseconds(50),
                        .on_lost = [&] { ++num_lost; }});
  const absl::Status status = link.Next(kLong).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(Message(status).find("somewhere:7070 was lost: silent"), std::string_view::npos)
      << status;
  EXPECT_EQ(link.end(), status);
  link.Close();
  EXPECT_EQ(num_lost, 1);
  EXPECT_FALSE(link.Send({}));
}

// More heartbeats than the queue of messages holds: they do not wait in it.
TEST(CoordinatorLink, HeartbeatsAreNoMessages) {
  std::vector<v1::CoordinatorMessage> messages(500, Heartbeat());
  messages.push_back(Shutdown());
  MuteCoordinator coordinator(messages);
  testing::LocalServer server({&coordinator});
  CoordinatorLink link(server.NewChannel(), {}, {.max_silence = kLong});
  const absl::StatusOr<v1::CoordinatorMessage> message = link.Next(kLong);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->shutdown().reason(), "enough");
  EXPECT_TRUE(absl::IsDeadlineExceeded(link.Next(milliseconds(1)).status()));
  EXPECT_TRUE(link.end().ok());
}

// Long prompts that start in one step, each under a grammar.
TEST(CoordinatorLink, APlanMayBeLarge) {
  v1::CoordinatorMessage plan;
  plan.mutable_plan()->add_started()->mutable_grammar()->set_byte_sets(std::string(9 << 20, 'x'));
  MuteCoordinator coordinator({plan});
  testing::LocalServer server({&coordinator});
  CoordinatorLink link(OpenChannel(server.address(), kLong), {}, {.max_silence = kLong});
  const absl::StatusOr<v1::CoordinatorMessage> message = link.Next(kLong);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->plan().started(0).grammar().byte_sets().size(), size_t{9} << 20);
}

TEST(CoordinatorLink, CoordinatorThatIsNotThereIsNamed) {
  CoordinatorLink link(OpenChannel("127.0.0.1:1", seconds(10)), {},
                       {.address = "127.0.0.1:1", .connect_deadline = milliseconds(0)});
  const absl::Status status = link.Next(kLong).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_NE(Message(status).find("127.0.0.1:1"), std::string_view::npos) << status;
  EXPECT_EQ(link.end(), status);
}

TEST(CoordinatorLink, SignalEndsTheWaitForACoordinator) {
  const std::atomic<bool> stop{true};
  CoordinatorLink link(OpenChannel("127.0.0.1:1", seconds(10)), {},
                       {.address = "127.0.0.1:1", .connect_deadline = kLong, .stop = &stop});
  EXPECT_TRUE(absl::IsCancelled(link.Next(kLong).status())) << link.end();
}

}  // namespace
}  // namespace switchyard::worker
