// What the parsers of tool calls find in a text, however it is cut.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_TOOL_CALL_TESTING_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_TOOL_CALL_TESTING_H_

#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/text/tool_call_json.h"
#include "coordinator/text/tool_call_parser.h"

namespace switchyard::text {

struct ParsedCalls {
  std::string content;
  std::vector<std::string> calls;  // "name arguments"

  void Add(const ToolCallParser::Piece& piece) {
    content += piece.content;
    for (const ToolCall& call : piece.calls) {
      EXPECT_TRUE(ParseArguments(call.arguments).value().is_object());
      calls.push_back(call.name + " " + call.arguments);
    }
  }
  bool operator==(const ParsedCalls&) const = default;
  friend void PrintTo(const ParsedCalls& parsed, std::ostream* out) {
    *out << '"' << parsed.content << '"';
    for (const std::string& call : parsed.calls) *out << " and " << call;
  }
};

inline const std::vector<std::string>& OfferedTools() {
  static const std::vector<std::string> names = {"get_weather", "add"};
  return names;
}

inline ParsedCalls ParsePieces(ToolFormat format, const std::vector<std::string>& pieces) {
  const auto parser = MakeToolCallParser(format, OfferedTools());
  ParsedCalls parsed;
  for (const std::string& piece : pieces) parsed.Add(parser->Push(piece));
  parsed.Add(parser->Flush());
  return parsed;
}

inline std::vector<std::string> CutEvery(std::string_view text, size_t size) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size(); at += size) pieces.emplace_back(text.substr(at, size));
  return pieces;
}

// In one piece, byte by byte, and cut at random: the same each time.
inline ParsedCalls ParseCut(ToolFormat format, const std::string& text, int num_random = 20) {
  const ParsedCalls whole = ParsePieces(format, {text});
  EXPECT_EQ(ParsePieces(format, CutEvery(text, 1)), whole) << text;
  std::mt19937 random(1);
  for (int round = 0; round < num_random; ++round) {
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size(); at += pieces.back().size()) {
      pieces.push_back(text.substr(at, 1 + random() % 13));
    }
    EXPECT_EQ(ParsePieces(format, pieces), whole) << text;
  }
  return whole;
}

}  // namespace switchyard::text

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_TOOL_CALL_TESTING_H_
