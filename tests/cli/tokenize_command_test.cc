#include "cli/tokenize_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace switchyard::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kModel[] = SWITCHYARD_SOURCE_DIR "/models/tiny-r1";

// What the command writes, or its error.
std::string Tokenized(const TokenizeOptions& options, const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out;
  const absl::Status status = RunTokenize(options, in, out);
  if (status.ok()) return out.str();
  EXPECT_EQ(out.str(), "");
  return status.ToString();
}

TEST(Tokenize, WritesIdsAndTakesTheNewlineAsText) {
  EXPECT_EQ(Tokenized({.model_folder = kModel}, " a"), "261\n");
  EXPECT_EQ(Tokenized({.model_folder = kModel}, " a\n"), "261 201\n");
  EXPECT_EQ(Tokenized({.model_folder = kModel}, ""), "\n");
}

TEST(Tokenize, SpecialTokensCountUnlessSwitchedOff) {
  EXPECT_EQ(Tokenized({.model_folder = kModel}, "<think>"), "4083\n");
  const std::string ids = Tokenized({.model_folder = kModel, .parse_special = false}, "<think>");
  EXPECT_NE(ids, "4083\n");
  EXPECT_EQ(Tokenized({.model_folder = kModel, .decode = true}, ids), "<think>");
}

TEST(Tokenize, DecodeGivesTheExactBytes) {
  const std::string text = "Zeilen\r\n\n  und Grüße 日本語 \t<｜User｜>\n";
  const std::string ids = Tokenized({.model_folder = kModel}, text);
  EXPECT_EQ(Tokenized({.model_folder = kModel, .decode = true}, ids), text);
  EXPECT_EQ(Tokenized({.model_folder = kModel, .decode = true}, "\n 261\t261\r\n"), " a a");
}

TEST(Tokenize, SaysWhatIsWrong) {
  EXPECT_THAT(Tokenized({.model_folder = kModel}, "\xff"), HasSubstr("not valid UTF-8"));
  for (const std::string word : {"4096", "-1", "x", "1x", "99999999999"}) {
    const std::string error = Tokenized({.model_folder = kModel, .decode = true}, "1 " + word);
    EXPECT_THAT(error, HasSubstr("\"" + word + "\" is no token id; ids are 0 to 4095"));
  }
  EXPECT_THAT(Tokenized({.model_folder = "/nowhere"}, "a"),
              HasSubstr("NOT_FOUND: /nowhere/tokenizer.json"));
}

}  // namespace
}  // namespace switchyard::cli
