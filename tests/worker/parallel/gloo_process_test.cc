// Ranks as processes: they find each other, agree, and a killed one is an error at all others.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace switchyard::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A running copy of gloo_rank and what it prints.
class RankProcess {
 public:
  explicit RankProcess(const std::vector<std::string>& arguments) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    std::vector<char*> argv{const_cast<char*>(GLOO_RANK_BINARY)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;
  ~RankProcess() {
    Kill();
    ExitStatus();
    std::fclose(output_);
  }

  // The next line without its end; empty when the process has ended.
  std::string ReadLine() {
    char line[2048];
    if (std::fgets(line, sizeof(line), output_) == nullptr) return "";
    std::string text(line);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  void Kill() const {
    if (!ended_) kill(pid_, SIGKILL);
  }
  int ExitStatus() {
    if (!ended_) waitpid(pid_, &status_, 0);
    ended_ = true;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

 private:
  pid_t pid_ = -1;
  FILE* output_ = nullptr;
  bool ended_ = false;
  int status_ = 0;
};

class GlooProcessTest : public ::testing::Test {
 protected:
  static constexpr int kNumRanks = 4;

  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "gloo_process_test_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    ranks_.clear();
    std::filesystem::remove_all(folder_);
  }

  void Start(int num_calls, int num_bytes) {
    for (int rank = 0; rank < kNumRanks; ++rank) {
      ranks_.push_back(std::make_unique<RankProcess>(
          std::vector<std::string>{std::to_string(rank), std::to_string(kNumRanks), folder_,
                                   std::to_string(num_calls), std::to_string(num_bytes)}));
    }
    for (auto& rank : ranks_) ASSERT_EQ(rank->ReadLine(), "connected");
  }

  std::string folder_;
  std::vector<std::unique_ptr<RankProcess>> ranks_;
};

TEST_F(GlooProcessTest, ProcessesExchangeSmallAndLargeBlocks) {
  for (const int num_bytes : {16, 200000}) {
    Start(/*num_calls=*/50, num_bytes);
    for (auto& rank : ranks_) {
      EXPECT_THAT(rank->ReadLine(), StartsWith("done"));
      EXPECT_EQ(rank->ExitStatus(), 0);
    }
    TearDown();
    SetUp();
  }
}

// The ranks wait for each other up to five minutes: an UNAVAILABLE that names the lost one is no
// timeout.
TEST_F(GlooProcessTest, AKilledRankIsAnErrorAtAllOthersThatNamesIt) {
  for (const int num_bytes : {16, 200000}) {
    Start(/*num_calls=*/0, num_bytes);
    ranks_[2]->Kill();
    for (const int survivor : {0, 1, 3}) {
      const std::string last = ranks_[survivor]->ReadLine();
      EXPECT_THAT(last, StartsWith("UNAVAILABLE"));
      EXPECT_THAT(last, HasSubstr("rank 2"));
      EXPECT_EQ(ranks_[survivor]->ExitStatus(), 1);
    }
    TearDown();
    SetUp();
  }
}

}  // namespace
}  // namespace switchyard::worker
