#include "coordinator/fleet/worker_service.h"

#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <string>
#include <thread>
#include <vector>

#include "proto/status_codes.h"
#include "tests/testing/fake_worker.h"
#include "tests/testing/local_server.h"

namespace switchyard::fleet {
namespace {

using testing::FakeWorker;

// Writes down what it hears, one line each.
class Scribe final : public FleetListener {
 public:
  void OnWorkerMessage(ConnectionId connection, v1::WorkerMessage message) override {
    const std::string what = message.has_hello() ? message.hello().host()
                             : message.has_heartbeat()
                                 ? fmt::format("step {}", message.heartbeat().step())
                                 : "other";
    Write(fmt::format("{}: {}", connection, what));
  }
  void OnWorkerGone(ConnectionId connection) override {
    Write(fmt::format("{}: gone", connection));
  }

  // The lines so far, once there are `count`, or after 20 seconds.
  std::vector<std::string> Wait(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  void Write(std::string line) {
    std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

using Lines = std::vector<std::string>;

class WorkerServiceTest : public ::testing::Test {
 protected:
  static v1::WorkerMessage Heartbeat(uint64_t step) {
    v1::WorkerMessage message;
    message.mutable_heartbeat()->set_step(step);
    return message;
  }
  static v1::CoordinatorMessage Plan(uint64_t step) {
    v1::CoordinatorMessage message;
    message.mutable_plan()->set_step(step);
    return message;
  }

  // Says hello as the next rank, and waits until that was heard.
  void Greet(FakeWorker& worker, int rank) {
    worker.SendHello(rank, "1");
    scribe_.Wait(rank + 1);
  }

  // Until so many streams are open that have said nothing; false after 20 seconds.
  static bool WaitForStrangers(const WorkerService& service, size_t count) {
    for (int i = 0; i < 2000 && service.num_strangers() != count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return service.num_strangers() == count;
  }

  Scribe scribe_;
  WorkerService service_{scribe_};
  testing::LocalServer server_{{&service_}};
};

TEST_F(WorkerServiceTest, MessagesComeInOrderAndGoneComesLast) {
  FakeWorker worker(server_.NewChannel());
  worker.SendHello(5, "1");
  for (uint64_t step = 1; step <= 20; ++step) worker.Send(Heartbeat(step));
  EXPECT_EQ(scribe_.Wait(21).size(), 21u);
  worker.Break();
  const Lines lines = scribe_.Wait(22);
  ASSERT_EQ(lines.size(), 22u);
  EXPECT_EQ(lines.front(), "1: host-5");
  for (uint64_t step = 1; step <= 20; ++step)
    EXPECT_EQ(lines[step], fmt::format("1: step {}", step));
  EXPECT_EQ(lines.back(), "1: gone");
}

TEST_F(WorkerServiceTest, SendsInOrderThenEndsWithTheReason) {
  FakeWorker worker(server_.NewChannel());
  worker.SendHello(0, "1");
  ASSERT_EQ(scribe_.Wait(1).size(), 1u);
  for (uint64_t step = 1; step <= 20; ++step) service_.Send(1, Plan(step));
  service_.End(1, absl::FailedPreconditionError("rank 0 is taken"));
  service_.Send(1, Plan(21));  // too late
  for (uint64_t step = 1; step <= 20; ++step) {
    const auto message = worker.Read();
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->plan().step(), step);
  }
  EXPECT_FALSE(worker.Read().has_value());
  EXPECT_EQ(worker.WaitForEnd(), absl::FailedPreconditionError("rank 0 is taken"));
  EXPECT_EQ(scribe_.Wait(2), (Lines{"1: host-0", "1: gone"}));
}

TEST_F(WorkerServiceTest, ConnectionsAreToldApart) {
  FakeWorker first(server_.NewChannel());
  Greet(first, 0);
  FakeWorker second(server_.NewChannel());
  Greet(second, 1);
  EXPECT_EQ(scribe_.Wait(2), (Lines{"1: host-0", "2: host-1"}));
  service_.Send(2, Plan(7));
  EXPECT_EQ(second.Read()->plan().step(), 7u);
  service_.Send(3, Plan(8));  // nobody: no effect
  service_.End(3, absl::InternalError("nobody"));
}

TEST_F(WorkerServiceTest, OneMessageGoesToEachThatIsNamed) {
  FakeWorker first(server_.NewChannel());
  Greet(first, 0);
  FakeWorker second(server_.NewChannel());
  Greet(second, 1);
  const std::vector<ConnectionId> both = {2, 1}, one = {1}, nobody = {3};
  service_.Send(both, Plan(7));
  service_.Send(nobody, Plan(8));
  service_.Send(one, Plan(9));
  EXPECT_EQ(first.Read()->plan().step(), 7u);
  EXPECT_EQ(first.Read()->plan().step(), 9u);
  EXPECT_EQ(second.Read()->plan().step(), 7u);
  service_.EndAll(absl::UnavailableError("over"));
  EXPECT_FALSE(second.Read().has_value());
}

TEST_F(WorkerServiceTest, BytesThatAreNoMessageEndTheStream) {
  const auto status_after = [&](const std::vector<std::string>& messages) {
    grpc::GenericStub stub(server_.NewChannel());
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto wait = [&] {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
    };
    const auto call = stub.PrepareCall(&context, "/switchyard.v1.Worker/Session", &queue);
    call->StartCall(nullptr);
    wait();
    for (const std::string& message : messages) {
      const grpc::Slice slice(message);
      call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
      wait();
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    return FromGrpc(status);
  };
  v1::WorkerMessage hello;
  hello.mutable_hello()->set_host("host-5");
  EXPECT_EQ(status_after({"\xff\xff"}),
            absl::InvalidArgumentError("a worker's first message must be its hello"));
  EXPECT_EQ(status_after({hello.SerializeAsString(), "\xff\xff"}),
            absl::InvalidArgumentError("what a worker sent is no WorkerMessage"));
  EXPECT_EQ(scribe_.Wait(2), (Lines{"2: host-5", "2: gone"}));
}

TEST_F(WorkerServiceTest, EndAllEndsEveryStreamNowAndLater) {
  FakeWorker open(server_.NewChannel());
  open.SendHello(0, "1");
  scribe_.Wait(1);
  service_.EndAll(absl::UnavailableError("over"));
  EXPECT_EQ(open.WaitForEnd(), absl::UnavailableError("over"));
  FakeWorker late(server_.NewChannel());
  EXPECT_EQ(late.WaitForEnd(), absl::UnavailableError("over"));
  EXPECT_EQ(scribe_.Wait(2), (Lines{"1: host-0", "1: gone"}));
}

TEST_F(WorkerServiceTest, SendsToAllThatHaveSaidHello) {
  FakeWorker first(server_.NewChannel()), second(server_.NewChannel()), mute(server_.NewChannel());
  first.SendHello(0, "1");
  second.SendHello(1, "1");
  ASSERT_EQ(scribe_.Wait(2).size(), 2u);
  ASSERT_TRUE(WaitForStrangers(service_, 1));
  v1::CoordinatorMessage heartbeat;
  heartbeat.mutable_heartbeat();
  service_.SendToAll(heartbeat);
  EXPECT_TRUE(first.ReadHeartbeat());
  EXPECT_TRUE(second.ReadHeartbeat());
  service_.EndAll(absl::UnavailableError("over"));
  EXPECT_FALSE(mute.ReadHeartbeat());
}

TEST_F(WorkerServiceTest, FirstMessageMustBeAHello) {
  FakeWorker hasty(server_.NewChannel());
  hasty.Send(Heartbeat(1));
  EXPECT_EQ(hasty.WaitForEnd().code(), absl::StatusCode::kInvalidArgument);
  FakeWorker wordy(server_.NewChannel());
  wordy.SendHello(0, std::string(WorkerService::kMaxHelloBytes, 'x'));
  EXPECT_EQ(wordy.WaitForEnd().code(), absl::StatusCode::kInvalidArgument);
  FakeWorker worker(server_.NewChannel());
  worker.SendHello(2, "1");
  EXPECT_EQ(scribe_.Wait(1), (Lines{"3: host-2"}));  // and nothing of the others
}

TEST_F(WorkerServiceTest, StrangersThatSayNothingAreEndedAndWorkersStay) {
  WorkerService service(scribe_, {.hello_deadline = std::chrono::milliseconds(0)});
  testing::LocalServer server({&service});
  FakeWorker worker(server.NewChannel());
  worker.SendHello(0, "1");
  ASSERT_EQ(scribe_.Wait(1), (Lines{"1: host-0"}));
  FakeWorker mute(server.NewChannel());
  ASSERT_TRUE(WaitForStrangers(service, 1));
  service.EndStrangers();
  EXPECT_EQ(mute.WaitForEnd().code(), absl::StatusCode::kDeadlineExceeded);
  worker.Send(Heartbeat(7));
  EXPECT_EQ(scribe_.Wait(2), (Lines{"1: host-0", "1: step 7"}));
}

TEST_F(WorkerServiceTest, OnlySoManyStrangersMayWait) {
  WorkerService service(scribe_, {.max_strangers = 2});
  testing::LocalServer server({&service});
  FakeWorker first(server.NewChannel()), second(server.NewChannel());
  ASSERT_TRUE(WaitForStrangers(service, 2));
  FakeWorker third(server.NewChannel());
  EXPECT_EQ(third.WaitForEnd().code(), absl::StatusCode::kResourceExhausted);
  first.SendHello(0, "1");  // makes room
  ASSERT_EQ(scribe_.Wait(1).size(), 1u);
  FakeWorker fourth(server.NewChannel());
  fourth.SendHello(1, "1");
  EXPECT_EQ(scribe_.Wait(2).size(), 2u);
}

TEST_F(WorkerServiceTest, WorkerThatDoesNotReadIsCutOff) {
  FakeWorker worker(server_.NewChannel());
  worker.SendHello(0, "1");
  ASSERT_EQ(scribe_.Wait(1).size(), 1u);
  v1::CoordinatorMessage large;
  large.mutable_shutdown()->set_reason(std::string(1 << 20, 'x'));
  for (size_t i = 0; i < 2 * WorkerService::kMaxQueuedMessages; ++i) service_.Send(1, large);
  EXPECT_EQ(scribe_.Wait(2), (Lines{"1: host-0", "1: gone"}));  // without the worker's doing
}

}  // namespace
}  // namespace switchyard::fleet
