#include "base/exit_code.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace switchyard {
namespace {

TEST(ExitCodeTest, EveryCodeSurvivesTheWayThroughAParentProcess) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), kExitOk);
  for (const int code : {kExitBug, kExitUsage, kExitNotFound, kExitUnsupported, kExitResources,
                         kExitLost, kExitCancelled}) {
    const absl::Status status = StatusOfExitCode(code, "what happened");
    EXPECT_EQ(ExitCode(status), code);
    EXPECT_EQ(Message(status), "what happened");
  }
}

TEST(ExitCodeTest, UnknownCodesAndCrashesAreFaultsOfOurs) {
  for (const int code : {7, 127, 128 + SIGABRT, 128 + SIGSEGV, 255, -1}) {
    EXPECT_EQ(ExitCode(StatusOfExitCode(code, "x")), kExitBug) << code;
  }
}

TEST(ExitCodeTest, AChildThatSomebodyKilledIsLost) {
  for (const int signal : {SIGKILL, SIGTERM, SIGHUP}) {
    EXPECT_EQ(ExitCode(StatusOfExitCode(128 + signal, "x")), kExitLost) << signal;
  }
}

TEST(ExitCodeDeathTest, WithoutMemoryAProgramSaysSoAndEnds) {
  EXPECT_EXIT(ExitOutOfMemory(), ::testing::ExitedWithCode(kExitResources), "out of memory");
}

TEST(ExitCodeTest, AParentThatWantsToTellTheFaultIsHandedIt) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  setenv(kFaultFdVariable, std::to_string(fds[1]).c_str(), 1);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(ReportAndExitCode("worker", absl::NotFoundError("no\nfile")), kExitNotFound);
  EXPECT_EQ(ReportAndExitCode("worker", absl::OkStatus()), kExitOk);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  close(fds[1]);
  char bytes[100];
  EXPECT_EQ(std::string(bytes, read(fds[0], bytes, sizeof(bytes))), "no\\nfile");
  close(fds[0]);
  // One that is gone, or never was, is no reason to say nothing.
  for (const char* fd : {"", "x", "-1", "999", "1x"}) {
    setenv(kFaultFdVariable, fd, 1);
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(ReportAndExitCode("worker", absl::NotFoundError("no file")), kExitNotFound);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "worker: no file\n") << fd;
  }
  unsetenv(kFaultFdVariable);
}

TEST(ExitCodeTest, AMessageIsOneLineWhateverItQuotes) {
  EXPECT_EQ(OneLine("tensor \"a\nb\x1b[31m\" é"), "tensor \"a\\nb\\x1b[31m\" é");
}

TEST(ExitCodeTest, KindsOfFaultAreToldApart) {
  EXPECT_EQ(ExitCode(absl::InvalidArgumentError("")), kExitUsage);
  EXPECT_EQ(ExitCode(absl::NotFoundError("")), kExitNotFound);
  EXPECT_EQ(ExitCode(absl::UnimplementedError("")), kExitUnsupported);
  EXPECT_EQ(ExitCode(absl::ResourceExhaustedError("")), kExitResources);
  EXPECT_EQ(ExitCode(absl::PermissionDeniedError("")), kExitResources);
  EXPECT_EQ(ExitCode(absl::UnavailableError("")), kExitLost);
  EXPECT_EQ(ExitCode(absl::DeadlineExceededError("")), kExitLost);
  EXPECT_EQ(ExitCode(absl::CancelledError("")), kExitCancelled);
  EXPECT_EQ(ExitCode(absl::InternalError("")), kExitBug);
}

}  // namespace
}  // namespace switchyard
