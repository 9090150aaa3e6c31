#include "tests/testing/transcript.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "base/file.h"

namespace switchyard::testing {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;

TranscriptCommand ParseCommand(const std::string& line) {
  TranscriptCommand command;
  std::istringstream words(line);
  words >> command.name;
  std::string word;
  while (words >> word) {
    const size_t equals = word.find('=');
    command.arguments[word.substr(0, equals)] =
        equals == std::string::npos ? "" : word.substr(equals + 1);
  }
  return command;
}

// The lines up to the next blank one, each with its newline.
std::string ReadAnswer(std::istream& lines) {
  std::string answer;
  std::string line;
  while (std::getline(lines, line) && !line.empty()) answer += line + "\n";
  return answer;
}

}  // namespace

std::string TranscriptCommand::Text(const std::string& argument,
                                    const std::string& fallback) const {
  const auto it = arguments.find(argument);
  return it == arguments.end() ? fallback : it->second;
}

int64_t TranscriptCommand::Int(const std::string& argument, int64_t fallback) const {
  const auto it = arguments.find(argument);
  return it == arguments.end() ? fallback : std::stoll(it->second);
}

void RunTranscript(const std::string& path,
                   const std::function<std::string(const TranscriptCommand&)>& answer) {
  const auto text = ReadFile(path, kMaxFileBytes);
  ASSERT_TRUE(text.ok()) << text.status();
  const bool rewrite = std::getenv("SWITCHYARD_REWRITE_TRANSCRIPTS") != nullptr;
  std::istringstream lines(*text);
  std::string rewritten;
  std::string line;
  int num_commands = 0;
  while (std::getline(lines, line)) {
    if (line.empty() || line[0] == '#') {
      rewritten += line + "\n";
      continue;
    }
    const std::string command = line;
    ASSERT_TRUE(std::getline(lines, line) && line == "----")
        << path << ": no ---- after \"" << command << "\"";
    const std::string expected = ReadAnswer(lines);
    std::string actual = answer(ParseCommand(command));
    if (!actual.empty() && actual.back() != '\n') actual += '\n';
    rewritten += command + "\n----\n" + actual + "\n";
    ++num_commands;
    if (!rewrite) {
      ASSERT_EQ(expected, actual) << path << ", command " << num_commands << ": " << command;
    }
  }
  ASSERT_GT(num_commands, 0) << path;
  while (rewritten.ends_with("\n\n")) rewritten.pop_back();
  if (rewrite) {
    ASSERT_TRUE(WriteFile(path, rewritten).ok()) << path;
  }
}

}  // namespace switchyard::testing
