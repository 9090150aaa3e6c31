// The command itself, on programs without CUDA: what it hands on and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace emu {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

struct Result {
  int status = 0;  // as waitpid gives it
  std::string output;
};

// A copy of the command beside files with the libraries' names, which programs without CUDA never
// load.
class Run : public testing::Test {
 protected:
  Run() : folder_(fs::path(testing::TempDir()) / ("emulate_run." + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    fs::copy_file(SWITCHYARD_EMULATE, folder_ / "switchyard-emulate",
                  fs::copy_options::overwrite_existing);
    for (const char* library : {"libcudart.so.13", "libnccl.so.2"}) {
      fclose(fopen((folder_ / library).c_str(), "w"));
    }
    unsetenv("SWITCHYARD_EMULATOR");
    unsetenv("SWITCHYARD_EMULATOR_NCCL");
    unsetenv("LD_LIBRARY_PATH");
  }
  ~Run() override { fs::remove_all(folder_); }

  // `arguments` as a shell reads them.
  Result Emulate(const std::string& arguments) {
    Result result;
    FILE* pipe = popen(
        ("exec " + (folder_ / "switchyard-emulate").string() + " " + arguments + " 2>&1").c_str(),
        "r");
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) result.output += static_cast<char>(c);
    result.status = pclose(pipe);
    return result;
  }

  const fs::path folder_;
};

TEST_F(Run, SetsTheEnvironment) {
  const Result result = Emulate(
      "--race --seed 5 --dead-peer error sh -c "
      "'echo $LD_LIBRARY_PATH; echo $SWITCHYARD_EMULATOR; echo $SWITCHYARD_EMULATOR_NCCL'");
  EXPECT_EQ(result.output, folder_.string() + "\nrace=1,seed=5\ndead_peer=error\n");
}

TEST_F(Run, PassesExitCodesAndSignals) {
  const Result ended = Emulate("sh -c 'exit 42'");
  ASSERT_TRUE(WIFEXITED(ended.status));
  EXPECT_EQ(WEXITSTATUS(ended.status), 42);
  const Result killed = Emulate("sh -c 'kill -TERM $$'");
  ASSERT_TRUE(WIFSIGNALED(killed.status));
  EXPECT_EQ(WTERMSIG(killed.status), SIGTERM);
}

TEST_F(Run, RefusesWhatIsNotThere) {
  const Result result = Emulate("no-such-command");
  EXPECT_EQ(WEXITSTATUS(result.status), 3);
  EXPECT_EQ(result.output, "switchyard-emulate: no-such-command is not found in PATH\n");
  fs::remove(folder_ / "libnccl.so.2");
  const Result bare = Emulate("true");
  EXPECT_EQ(WEXITSTATUS(bare.status), 3);
  EXPECT_THAT(bare.output, StartsWith("switchyard-emulate: libnccl.so.2 of the emulator"));
}

TEST_F(Run, ShowsTheEnvironmentForAShell) {
  const Result result = Emulate("--devices 2 --print-environment");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("export SWITCHYARD_EMULATOR='devices=2'\n"));
}

TEST_F(Run, TeachesInItsHelp) {
  EXPECT_THAT(Emulate("--help").output, HasSubstr("Start here:"));
  EXPECT_THAT(Emulate("--list-checks").output, HasSubstr("race"));
  const Result nothing = Emulate("");
  EXPECT_EQ(WEXITSTATUS(nothing.status), 2);
  EXPECT_THAT(nothing.output, HasSubstr("--help shows examples"));
}

}  // namespace
}  // namespace emu
