// The start-up's stories, testdata/membership_*.txt. Time stands in each command as `at`, in
// seconds. Commands:
//   cluster    world, gather, load and silence deadlines
//   join       connection, host, pid, rank (wanted), backend, isa, version, memory
//   plan       what the coordinator does after "assign": epoch 1, hash 0xabc
//   progress   connection, phase (1 headers, 2 weights, 3 peers), done, total
//   ready      connection; epoch and hash if they are to differ
//   heard, lost, tick, leave, status
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "coordinator/core/membership/membership.h"
#include "tests/testing/transcript.h"

namespace switchyard::core {
namespace {

using ::switchyard::testing::RunTranscript;
using ::switchyard::testing::TranscriptCommand;

std::string Describe(const RefuseWorker& action) {
  return fmt::format("refuse {}: {}\n", action.connection, action.reason.ToString());
}
std::string Describe(const AssignRanks& action) {
  std::string text = fmt::format("assign, {} bytes each\n", action.memory_bytes);
  for (size_t rank = 0; rank < action.connection_of_rank.size(); ++rank) {
    text += fmt::format("  rank {} to {}\n", rank, action.connection_of_rank[rank]);
  }
  return text;
}
std::string Describe(const StartServing&) { return "serve\n"; }
std::string Describe(const FailCluster& action) {
  return fmt::format("fail: {}\n", action.reason.ToString());
}

Instant At(const TranscriptCommand& command) { return std::chrono::seconds(command.Int("at")); }

v1::WorkerHello HelloOf(const TranscriptCommand& command) {
  v1::WorkerHello hello;
  hello.set_host(command.Text("host", "h" + command.Text("connection")));
  hello.set_pid(command.Int("pid", 100 + command.Int("connection")));
  hello.set_wanted_rank(int32_t(command.Int("rank", -1)));
  hello.set_backend(command.Text("backend", "cpu"));
  hello.set_isa(command.Text("isa", "avx2"));
  hello.set_records_steps(command.Text("graphs", "off") == "on");
  hello.set_version(command.Text("version", "0.1.0"));
  hello.set_memory_bytes(command.Int("memory", 1000));
  return hello;
}

v1::LoadProgress ProgressOf(const TranscriptCommand& command) {
  v1::LoadProgress progress;
  progress.set_phase(static_cast<v1::LoadPhase>(command.Int("phase", 2)));
  progress.set_bytes_done(command.Int("done"));
  progress.set_bytes_total(command.Int("total", 4096));
  return progress;
}

v1::WorkerReady ReadyOf(const TranscriptCommand& command) {
  v1::WorkerReady ready;
  ready.set_epoch(command.Int("epoch", 1));
  ready.set_plan_hash(command.Int("hash", 0xabc));
  ready.set_weight_bytes(70);
  ready.set_kv_bytes(20);
  ready.set_activation_bytes(10);
  return ready;
}

class Story {
 public:
  std::string Answer(const TranscriptCommand& command) {
    const std::string& name = command.name;
    const ConnectionId connection = command.Int("connection");
    if (name == "cluster") return Cluster(command);
    if (name == "join")
      return Describe(membership_->OnJoined(connection, HelloOf(command), At(command)));
    if (name == "progress")
      return Describe(membership_->OnProgress(connection, ProgressOf(command), At(command)));
    if (name == "ready")
      return Describe(membership_->OnReady(connection, ReadyOf(command), At(command)));
    if (name == "lost") return Describe(membership_->OnLost(connection, "stream closed"));
    if (name == "tick") return Describe(membership_->OnTick(At(command)));
    if (name == "status") return Status(At(command));
    if (name == "heard") {
      membership_->OnHeard(connection, At(command));
    } else if (name == "plan") {
      membership_->SetPlan(1, 0xabc);
    } else if (name == "leave") {
      membership_->ExpectLeaving();
    } else {
      ADD_FAILURE() << "unknown command " << name;
    }
    return "";
  }

 private:
  static std::string Describe(const MembershipActions& actions) {
    std::string text;
    for (const MembershipAction& action : actions) {
      text += std::visit([](const auto& a) { return core::Describe(a); }, action);
    }
    return text.empty() ? "nothing" : text;
  }

  std::string Cluster(const TranscriptCommand& command) {
    membership_ = std::make_unique<Membership>(
        MembershipConfig{.world = int32_t(command.Int("world")),
                         .version = "0.1.0",
                         .gather_deadline = std::chrono::seconds(command.Int("gather", 60)),
                         .load_deadline = std::chrono::seconds(command.Int("load", 30)),
                         .max_silence = std::chrono::seconds(command.Int("silence", 5))},
        At(command));
    return "";
  }

  std::string Status(Instant now) const {
    const char* states[] = {"", "gathering", "loading", "serving", "draining", "failed"};
    std::string text = fmt::format("{}: {}\n", states[membership_->state()], membership_->Detail());
    for (const v1::WorkerStatus& worker : membership_->WorkerStatuses(now)) {
      text += fmt::format("  rank {} on {}: phase {}, {} bytes held, silent {} ms\n", worker.rank(),
                          worker.host(), int(worker.progress().phase()), worker.memory_bytes(),
                          worker.silent_ms());
    }
    return text;
  }

  std::unique_ptr<Membership> membership_;
};

class MembershipTranscript : public ::testing::TestWithParam<const char*> {};

TEST_P(MembershipTranscript, GoesAsWritten) {
  Story story;
  RunTranscript(fmt::format("{}/tests/coordinator/core/testdata/membership_{}.txt",
                            SWITCHYARD_SOURCE_DIR, GetParam()),
                [&](const TranscriptCommand& command) { return story.Answer(command); });
}

INSTANTIATE_TEST_SUITE_P(Stories, MembershipTranscript,
                         ::testing::Values("start", "refusals", "deadlines", "losses"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Membership, NamesFromOutsideAreBoundedAndFitALine) {
  Membership membership({.world = 1, .version = "0.1.0"}, Instant(0));
  for (const std::string& host : {std::string(1 << 20, 'h'), std::string("a\nb")}) {
    v1::WorkerHello hello;
    hello.set_wanted_rank(-1);
    hello.set_version("0.1.0");
    hello.set_host(host);
    const MembershipActions actions = membership.OnJoined(1, hello, Instant(0));
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_TRUE(std::holds_alternative<RefuseWorker>(actions[0]));
    EXPECT_EQ(membership.num_members(), 0);
  }
}

TEST(FailureDetector, TimeThatRunsBackwardsChangesNothing) {
  FailureDetector detector(std::chrono::seconds(5));
  detector.Watch(1, std::chrono::seconds(10));
  detector.Heard(1, std::chrono::seconds(3));
  detector.Heard(2, std::chrono::seconds(3));  // not watched
  EXPECT_EQ(detector.Silence(1, std::chrono::seconds(12)), std::chrono::seconds(2));
  EXPECT_EQ(detector.Silence(1, std::chrono::seconds(8)), std::chrono::seconds(0));
  EXPECT_FALSE(detector.IsSilent(1, std::chrono::seconds(15)));
  EXPECT_TRUE(detector.IsSilent(1, std::chrono::milliseconds(15001)));
}

}  // namespace
}  // namespace switchyard::core
