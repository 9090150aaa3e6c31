// An nvcc-built program of several processes under switchyard-emulate: kernels, an all-reduce
// inside a graph, a grouped all-to-all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

namespace emu {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The output of all processes, and how the command ended.
struct Result {
  std::string output;
  int status = 0;  // as waitpid gives it
  bool all_ok = false;
};

Result RunCommand(const std::string& command) {
  Result result;
  FILE* pipe = popen(command.c_str(), "r");
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) result.output += static_cast<char>(c);
  result.status = pclose(pipe);
  result.all_ok = result.status == 0;
  return result;
}

Result RunProgram(const std::string& flags, const std::string& arguments) {
  return RunCommand(std::string(SWITCHYARD_EMULATE) + " " + flags + " " +
                    SWITCHYARD_EXCHANGE_PROGRAM + " " + arguments + " 2>&1");
}

// `arguments` as a shell reads them; `after`: the program's last argument.
Result RunRanks(int num_ranks, const std::string& flags, const std::string& after = "") {
  const fs::path id = fs::path(testing::TempDir()) / ("exchange_id." + std::to_string(getpid()));
  fs::remove(id);
  std::string script;
  for (int rank = 0; rank < num_ranks; ++rank) {
    script += std::string(SWITCHYARD_EXCHANGE_PROGRAM) + " " + std::to_string(rank) + " " +
              std::to_string(num_ranks) + " " + id.string() + " " + after + " & ";
  }
  script += "failed=0; for job in $(jobs -p); do wait $job || failed=1; done; exit $failed";
  const Result result =
      RunCommand(std::string(SWITCHYARD_EMULATE) + " " + flags + " bash -c '" + script + "' 2>&1");
  fs::remove(id);
  return result;
}

class EndToEnd : public testing::TestWithParam<std::tuple<int, const char*>> {};

TEST_P(EndToEnd, IsRightOnEveryRank) {
  const auto [num_ranks, flags] = GetParam();
  const Result result = RunRanks(num_ranks, flags);
  EXPECT_TRUE(result.all_ok) << result.output;
  for (int rank = 0; rank < num_ranks; ++rank) {
    EXPECT_THAT(result.output, HasSubstr("rank " + std::to_string(rank) + " of " +
                                         std::to_string(num_ranks) + ": right\n"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    RanksAndModes, EndToEnd,
    testing::Combine(testing::Values(1, 2, 4),
                     testing::Values("", "--async late", "--streams eager",
                                     "--race --schedule random --async late --streams random "
                                     "--seed 1",
                                     "--race --schedule random --async late --streams random "
                                     "--seed 2",
                                     "--initcheck")));

TEST(EndToEndFaults, AMismatchIsReportedOnce) {
  const Result result = RunRanks(2, "", "mismatch");
  EXPECT_TRUE(result.all_ok) << result.output;
  const std::string report =
      "switchyard emulator: nccl: ranks do not agree on collective 1: "
      "rank 0 calls AllReduce(count=2, type=float32, op=sum); "
      "rank 1 calls AllReduce(count=3, type=float32, op=sum)\n";
  const size_t at = result.output.find(report);
  ASSERT_NE(at, std::string::npos) << result.output;
  EXPECT_EQ(result.output.find(report, at + 1), std::string::npos) << result.output;
}

TEST(EndToEndFaults, ABufferThatIsTooSmallIsRefused) {
  const Result result = RunRanks(1, "", "overrun");
  EXPECT_FALSE(result.all_ok);
  EXPECT_THAT(result.output,
              HasSubstr("AllReduce(count=17, type=float32, op=sum): the send buffer of 68 bytes "
                        "begins 0 bytes into an allocation of 64"));
}

TEST(EndToEndFaults, ABufferThatIsFreedTooEarlyIsReported) {
  const Result result = RunRanks(2, "", "freed");
  EXPECT_TRUE(result.all_ok) << result.output;
  EXPECT_THAT(result.output,
              HasSubstr("AllReduce(count=16, type=float32, op=sum): the send buffer was freed "
                        "before the operation ran"));
}

TEST(EndToEndFaults, ALostPeerIsAwaitedUntilAnAbort) {
  for (const char* flags : {"", "--streams eager", "--streams random"}) {
    const Result result = RunRanks(3, flags, "lost_peer");
    EXPECT_THAT(result.output, HasSubstr("rank 0: state 0, aborted\n"));
    EXPECT_THAT(result.output, HasSubstr("rank 1: state 0, aborted\n"));
  }
}

TEST(EndToEndDevices, OfOneThread) {
  for (const char* flags : {"", "--streams eager", "--streams random --seed 3"}) {
    const Result result = RunProgram("--devices 4 " + std::string(flags), "devices 4");
    EXPECT_TRUE(result.all_ok);
    EXPECT_EQ(result.output, "4 devices: right\n");
  }
}

TEST(EndToEndFaults, AStaticRuntimeIsRefused) {
  const Result result = RunCommand(std::string(SWITCHYARD_EMULATE) + " " +
                                   SWITCHYARD_EXCHANGE_PROGRAM + "_static 0 1 /nowhere 2>&1");
  EXPECT_EQ(WEXITSTATUS(result.status), 4);
  EXPECT_THAT(result.output, HasSubstr("build it with nvcc -cudart shared"));
}

}  // namespace
}  // namespace emu
