// Flags become the text of the two environment variables.
#include "emulator/emulate/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emulator/emulate/help.h"

namespace emu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

bool Parse(std::vector<std::string> words, CommandLine* line, std::string* error,
           const std::string& emulator = "") {
  words.insert(words.begin(), "switchyard-emulate");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return ParseCommandLine(static_cast<int>(words.size()), argv.data(), emulator, "", line, error);
}

TEST(CommandLine, EveryFlagSetsItsKey) {
  CommandLine line;
  std::string error;
  ASSERT_TRUE(Parse({"--schedule",
                     "random",
                     "--async=late",
                     "--seed",
                     "7",
                     "--race",
                     "--no-memcheck",
                     "--numerics",
                     "h100",
                     "--devices",
                     "4",
                     "--memory",
                     "2G",
                     "--threads",
                     "2",
                     "--streams",
                     "eager",
                     "--dead-peer",
                     "error",
                     "--counters",
                     "/tmp/c.json",
                     "--initcheck",
                     "--step-limit=9",
                     "./test"},
                    &line, &error))
      << error;
  EXPECT_EQ(line.emulator.ToText(),
            "schedule=random,async=late,seed=7,race=1,memcheck=0,numerics=h100,devices=4,"
            "memory=2G,threads=2,streams=eager,counters=1,counters_file=/tmp/c.json,initcheck=1,"
            "step_limit=9");
  EXPECT_EQ(line.nccl.ToText(), "dead_peer=error");
  EXPECT_THAT(line.command, ElementsAre("./test"));
}

TEST(CommandLine, TheCommandsFlagsAreItsOwn) {
  CommandLine line;
  std::string error;
  ASSERT_TRUE(Parse({"--race", "prog", "--seed", "9", "-x"}, &line, &error)) << error;
  EXPECT_EQ(line.emulator.ToText(), "race=1");
  EXPECT_THAT(line.command, ElementsAre("prog", "--seed", "9", "-x"));
  ASSERT_TRUE(Parse({"--", "--odd-name"}, &line, &error)) << error;
  EXPECT_THAT(line.command, ElementsAre("--odd-name"));
}

TEST(CommandLine, FlagsChangeWhatTheEnvironmentHolds) {
  CommandLine line;
  std::string error;
  ASSERT_TRUE(Parse({"--seed", "3", "prog"}, &line, &error, "seed=1,poll_limit=10"));
  EXPECT_EQ(line.emulator.ToText(), "seed=3,poll_limit=10");
}

TEST(CommandLine, RelativeFilesStayWhereTheCallerStands) {
  CommandLine line;
  std::string error;
  ASSERT_TRUE(Parse({"--counters", "c.json", "prog"}, &line, &error));
  EXPECT_THAT(line.emulator.ToText(), HasSubstr("counters_file=/"));
}

TEST(CommandLine, WrongWordsAreNamed) {
  CommandLine line;
  std::string error;
  EXPECT_FALSE(Parse({"--schedule", "odd", "prog"}, &line, &error));
  EXPECT_EQ(error, "--schedule takes fixed|random, not 'odd'");
  EXPECT_FALSE(Parse({"--devices", "17", "prog"}, &line, &error));
  EXPECT_EQ(error, "--devices takes a number from 1 to 16, not '17'");
  EXPECT_FALSE(Parse({"--seed", "-1", "prog"}, &line, &error));
  EXPECT_FALSE(Parse({"--memory", "4T", "prog"}, &line, &error));
  EXPECT_FALSE(Parse({"--counters", "a,b", "prog"}, &line, &error));
  EXPECT_FALSE(Parse({"--fast", "prog"}, &line, &error));
  EXPECT_EQ(error, "unknown flag --fast");
  EXPECT_FALSE(Parse({"--seed"}, &line, &error));
  EXPECT_EQ(error, "--seed takes a value");
  EXPECT_FALSE(Parse({"--race"}, &line, &error));
  EXPECT_EQ(error, "which command shall run?");
}

TEST(CommandLine, MemoryIsWhatTheRuntimeTakes) {
  CommandLine line;
  std::string error;
  for (const char* memory : {"1K", "1023K", "1048575", "0", "1025G", "1099511627777", "K", ""}) {
    EXPECT_FALSE(Parse({"--memory", memory, "prog"}, &line, &error)) << memory;
    EXPECT_EQ(error, "--memory takes bytes, or a number with K, M or G, from 1M to 1024G, not '" +
                         std::string(memory) + "'");
  }
  for (const char* memory : {"1M", "1024K", "1048576", "1024G", "1073741824K", "1099511627776"}) {
    EXPECT_TRUE(Parse({"--memory", memory, "prog"}, &line, &error)) << memory << ": " << error;
  }
}

TEST(CommandLine, HelpNamesEveryFlagAndNeedsNoCommand) {
  CommandLine line;
  std::string error;
  ASSERT_TRUE(Parse({"--help"}, &line, &error));
  EXPECT_EQ(line.action, CommandLine::Action::kHelp);
  ASSERT_TRUE(Parse({"--list-checks"}, &line, &error));
  EXPECT_EQ(line.action, CommandLine::Action::kListChecks);
  for (const char* flag :
       {"--schedule", "--async", "--seed", "--race", "--no-memcheck", "--initcheck", "--counters",
        "--numerics", "--devices", "--memory", "--threads", "--step-limit", "--streams",
        "--dead-peer", "--list-checks", "--print-environment", "--help"}) {
    EXPECT_THAT(kHelpText, HasSubstr(flag));
  }
}

}  // namespace
}  // namespace emu
