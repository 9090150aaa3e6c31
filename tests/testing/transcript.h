// Tests as transcripts: a text file of commands, each with the answer that it must get.
//
//   # A comment, for the reader.
//   admit id=1 prompt=5 max=3
//   ----
//   queued
//
// A command is one line: a name, then name=value pairs. Its answer stands between "----" and the
// next blank line. To write the answers anew after an intended change, run the test with
// SWITCHYARD_REWRITE_TRANSCRIPTS=1 and read the difference.
#ifndef SWITCHYARD_TESTS_TESTING_TRANSCRIPT_H_
#define SWITCHYARD_TESTS_TESTING_TRANSCRIPT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace switchyard::testing {

struct TranscriptCommand {
  std::string name;
  std::map<std::string, std::string> arguments;

  bool Has(const std::string& argument) const { return arguments.contains(argument); }
  std::string Text(const std::string& argument, const std::string& fallback = "") const;
  int64_t Int(const std::string& argument, int64_t fallback = 0) const;
};

// Runs every command of the file through `answer` and fails the current test at the first answer
// that differs. An answer is any number of lines without a blank one; a last newline is not looked
// at.
void RunTranscript(const std::string& path,
                   const std::function<std::string(const TranscriptCommand&)>& answer);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_TRANSCRIPT_H_
