// What becomes of the programs that another one starts: their end, and their last words.
#include "cli/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/exit_code.h"
#include "base/file.h"

namespace switchyard::cli {
namespace {

constexpr char kTell[] = "printf 'the port is taken' > /proc/self/fd/$SWITCHYARD_FAULT_FD; exit 5";

// At its end.
int ExitCodeOf(ChildProcess& child) {
  for (int i = 0; i < 2000; ++i) {
    if (const auto code = child.Poll()) return *code;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "the child does not end";
  return -1;
}

ChildProcess Start(const std::string& script, const std::string& log_path = "") {
  auto child = ChildProcess::Start({"/bin/sh", "-c", script}, -1, log_path);
  EXPECT_TRUE(child.ok()) << child.status();
  return *std::move(child);
}

TEST(ChildProcess, ItsLastWordsAreOursToTell) {
  ChildProcess child = Start(kTell);
  EXPECT_EQ(child.fault(), "");
  EXPECT_EQ(ExitCodeOf(child), 5);
  EXPECT_EQ(child.fault(), "the port is taken");
  const ChildProcess moved = std::move(child);
  EXPECT_EQ(moved.fault(), "the port is taken");
}

TEST(ChildProcess, OneThatSaysNothingHasNoLastWords) {
  ChildProcess silent = Start("exit 3");
  EXPECT_EQ(ExitCodeOf(silent), 3);
  EXPECT_EQ(silent.fault(), "");
  ChildProcess killed = Start("kill -9 $$");
  EXPECT_EQ(ExitCodeOf(killed), 128 + 9);
  EXPECT_EQ(killed.fault(), "");
}

TEST(ChildProcess, WithALogItTellsItsFaultThere) {
  const std::string log = ::testing::TempDir() + "/child.log";
  std::filesystem::remove(log);
  setenv(kFaultFdVariable, "1", 1);  // of a parent of ours
  ChildProcess child = Start("echo \"fd: $SWITCHYARD_FAULT_FD\"; exit 4", log);
  unsetenv(kFaultFdVariable);
  EXPECT_EQ(ExitCodeOf(child), 4);
  EXPECT_EQ(child.fault(), "");
  EXPECT_EQ(ReadFile(log, 1 << 10).value(), "fd: \n");
}

}  // namespace
}  // namespace switchyard::cli
