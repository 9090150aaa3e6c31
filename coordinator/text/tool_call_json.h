// A tool call that a model wrote as one JSON object.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_JSON_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_JSON_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "coordinator/text/tool_call_parser.h"

namespace switchyard::text {

// {"name": ..., "arguments" or "parameters": {...}}; other members are no matter. Arguments may
// also be a string that holds an object, or be left out. None if `text` is anything else, or the
// name is none of `names`.
std::optional<ToolCall> ParseJsonCall(std::string_view text, const std::vector<std::string>& names);

// A name and its arguments' text. None unless the text is a JSON object and the name one of
// `names`.
std::optional<ToolCall> ParseNamedCall(std::string_view name, std::string_view arguments,
                                       const std::vector<std::string>& names);

// The value of a call's arguments as a model wrote them: of a member twice, which grammars do not
// rule out, the last counts. INVALID_ARGUMENT for no JSON, or nested deeper than kMaxJsonDepth.
absl::StatusOr<Json> ParseArguments(std::string_view text);

// Follows a JSON object byte by byte, before anything is parsed: where it ends, and whether it is
// none after all.
class JsonObjectScanner {
 public:
  // Takes the next byte, of which the first is '{'; true once the object is complete.
  bool Push(char byte);
  // No JSON begins with these bytes, so what was taken for a string may be none. Seen at the first
  // byte that fits nowhere, of numbers and words behind their end; escapes are not looked into.
  bool is_broken() const { return is_broken_; }

 private:
  // What may come next, outside of strings.
  enum Next : unsigned { kKey = 1, kColon = 2, kValue = 4, kComma = 8, kEnd = 16 };

  void InString(char byte);
  // What comes is one of these, or breaks the object.
  void Take(unsigned kinds) { is_broken_ |= (next_ & kinds) == 0; }
  void EndScalar();

  std::string open_;    // objects and arrays that are not complete, each by its bracket
  std::string scalar_;  // a number or a word, as far as it has come
  unsigned next_ = kValue;
  bool in_string_ = false;
  bool is_broken_ = false;
  bool escaped_ = false;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_JSON_H_
