// bench_full_width on the bundled model: runs that are held against each other over a file agree
// where they should, and one rank loads without its peers.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace switchyard::bench {
namespace {

// Of a run with these flags.
int ExitCode(const std::string& flags) {
  const std::string command =
      fmt::format("{} --model models/tiny-r1 {} > /dev/null 2>&1", SWITCHYARD_FULL_WIDTH, flags);
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(FullWidth, FourWorkersGiveTheBitsOfOne) {
  const std::string digests = fmt::format("{}/digests.{}", testing::TempDir(), getpid());
  const std::string run =
      fmt::format("--threads 2 --prompt 24 --decode 2 --batch 1,4 --digests {}", digests);
  std::filesystem::remove(digests);
  EXPECT_EQ(ExitCode(run + " --tp 4"), 0);
  EXPECT_GT(std::filesystem::file_size(digests), 0u);
  EXPECT_EQ(ExitCode(run + " --tp 1"), 0);
  EXPECT_NE(ExitCode(run + " --tp 1 --seed 2"), 0) << "other tokens, other logits";
  EXPECT_NE(ExitCode(run + " --tp 1 --decode 3"), 0) << "rows that the first run has not";
  std::filesystem::remove(digests);
}

TEST(FullWidth, ARankLoadsWithoutItsPeers) {
  EXPECT_EQ(ExitCode("--dp 8 --tp 4 --rank 31 --batch 2 --prompt 64"), 0);
  EXPECT_NE(ExitCode("--dp 8 --tp 4 --rank 32 --batch 2 --prompt 64"), 0)
      << "there is no such rank";
}

}  // namespace
}  // namespace switchyard::bench
