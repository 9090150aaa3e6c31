// Something dies while streams are open: everybody is told, `serve` says who was lost, nothing
// stays.
#include <signal.h>

#include <chrono>

#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/integration/stream_set.h"

namespace switchyard::testing {
namespace {

using std::chrono::seconds;

constexpr int kNumStreams = 8;
constexpr int kExitLost = 6;
constexpr int kKilled = 128 + SIGKILL;

// Opens streams that would go on for very long, and waits until tokens come out of each.
void OpenEndlessStreams(StreamSet& streams) {
  const std::vector<GoldenPrompt> prompts = ReadGoldenPrompts();
  for (int i = 0; i < kNumStreams; ++i) {
    streams.Open(PostAndClose(
        "/v1/completions",
        CompletionBody(prompts[i],
                       {{"stream", true}, {"ignore_eos", true}, {"max_tokens", 4000}})));
  }
  ASSERT_TRUE(streams.ReadUntilAllFlow(seconds(20)));
}

void ExpectEachEndsWithAnError(const StreamSet& streams) {
  for (const ClientStream& stream : streams.streams()) {
    EXPECT_TRUE(stream.HasError()) << stream.bytes;
    EXPECT_FALSE(stream.Text().empty());
  }
}

class FailureTest : public ClusterTest {};

TEST_F(FailureTest, KilledWorkerEndsEveryStreamAndIsNamed) {
  Cluster& cluster = StartServing({.data_parallel = 2, .tensor_parallel = 2});
  StreamSet streams(cluster.http_port());
  OpenEndlessStreams(streams);
  const pid_t worker = cluster.WorkerPid(3);
  ASSERT_GT(worker, 0);
  kill(worker, SIGKILL);

  EXPECT_TRUE(streams.ReadUntilAllEnd(seconds(5))) << cluster.Log();
  ExpectEachEndsWithAnError(streams);
  EXPECT_EQ(cluster.WaitForExit(), kExitLost) << cluster.Log();
  EXPECT_NE(cluster.Log().find("rank 3 ("), std::string::npos) << cluster.Log();
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(cluster.Log().find("rank " + std::to_string(rank) + " ("), std::string::npos)
        << "the wrong rank was blamed\n"
        << cluster.Log();
  }
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
  EXPECT_TRUE(PortBecomesFree(cluster.http_port()));
}

TEST_F(FailureTest, SilentWorkerIsLostAtTheDeadline) {
  Cluster& cluster =
      StartServing({.tensor_parallel = 2, .more_flags = {"--max-silence-seconds", "2"}});
  StreamSet streams(cluster.http_port());
  OpenEndlessStreams(streams);
  kill(cluster.WorkerPid(1), SIGSTOP);

  EXPECT_TRUE(streams.ReadUntilAllEnd(seconds(7))) << cluster.Log();
  ExpectEachEndsWithAnError(streams);
  EXPECT_EQ(cluster.WaitForExit(), kExitLost) << cluster.Log();
  EXPECT_NE(cluster.Log().find("rank 1 ("), std::string::npos) << cluster.Log();
  EXPECT_NE(cluster.Log().find("silent for"), std::string::npos) << cluster.Log();
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
}

TEST_F(FailureTest, KilledWorkerIsNoticedWithoutAnyRequest) {
  Cluster& cluster = StartServing({.tensor_parallel = 2});
  kill(cluster.WorkerPid(0), SIGKILL);
  EXPECT_EQ(cluster.WaitForExit(seconds(10)), kExitLost) << cluster.Log();
  EXPECT_NE(cluster.Log().find("rank 0 ("), std::string::npos) << cluster.Log();
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
  EXPECT_TRUE(PortBecomesFree(cluster.http_port()));
}

// It cannot say goodbye, nor do its connections break: only its silence shows.
TEST_F(FailureTest, StoppedCoordinatorIsLostToItsWorkers) {
  Cluster& cluster =
      StartServing({.tensor_parallel = 2, .more_flags = {"--max-silence-seconds", "2"}});
  StreamSet streams(cluster.http_port());
  OpenEndlessStreams(streams);
  kill(cluster.CoordinatorPid(), SIGSTOP);

  EXPECT_TRUE(WaitUntil(seconds(10), [&] {
    return cluster.WorkerPid(0) == 0 && cluster.WorkerPid(1) == 0;
  })) << cluster.Log();
  EXPECT_EQ(cluster.WaitForExit(), kExitLost) << cluster.Log();
  EXPECT_NE(cluster.Log().find("was lost: silent for 2 s"), std::string::npos) << cluster.Log();
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
  EXPECT_TRUE(PortBecomesFree(cluster.http_port()));
}

TEST_F(FailureTest, KilledCoordinatorTakesAllWithIt) {
  Cluster& cluster = StartServing({.tensor_parallel = 2});
  StreamSet streams(cluster.http_port());
  OpenEndlessStreams(streams);
  kill(cluster.CoordinatorPid(), SIGKILL);

  EXPECT_TRUE(streams.ReadUntilAllEnd(seconds(5)));
  for (const ClientStream& stream : streams.streams()) EXPECT_FALSE(stream.IsDone());
  EXPECT_EQ(cluster.WaitForExit(), kExitLost) << cluster.Log();
  EXPECT_NE(cluster.Log().find("the coordinator ended (killed by signal 9)"), std::string::npos)
      << cluster.Log();
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
  EXPECT_TRUE(PortBecomesFree(cluster.http_port()));
}

TEST_F(FailureTest, KilledServeTakesAllWithIt) {
  Cluster& cluster = StartServing({.tensor_parallel = 2});
  ASSERT_EQ(cluster.Processes().size(), 4u);
  cluster.Signal(SIGKILL);

  EXPECT_EQ(cluster.WaitForExit(), kKilled);
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft());
  EXPECT_TRUE(PortBecomesFree(cluster.http_port()));
}

}  // namespace
}  // namespace switchyard::testing
