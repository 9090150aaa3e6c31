// Finds the tool calls in an answer's text. Each family of models writes them in its own form; one
// interface reads them all.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_PARSER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::text {

enum class ToolFormat {
  kDeepSeek,  // R1, V3: <｜tool▁call▁begin｜>function<｜tool▁sep｜>...<｜tool▁call▁end｜>
  kDeepSeekV31,  // without the word and the fence around the arguments; both are read alike
  kHermes,       // Hermes, Qwen2.5, Qwen3, QwQ: <tool_call>{"name", "arguments"}</tool_call>
  kHarmony,      // gpt-oss: messages to functions.NAME, found by HarmonyParser
  kLlama,        // Llama 3.1 to 3.3: the whole answer is {"name", "parameters"}, several with ";"
};

// The form that the model's chat template writes past calls in; none if it writes none.
std::optional<ToolFormat> FindToolFormat(std::string_view template_source);

// "deepseek", "deepseek_v31", "harmony", "hermes" or "llama"; INVALID_ARGUMENT for another name.
absl::StatusOr<ToolFormat> ParseToolFormat(std::string_view name);

// Special tokens that the parser must see in the text.
std::vector<std::string_view> ToolMarks(ToolFormat format);

// Whether templates of this form take a past call's arguments as JSON text; the others take the
// value and write it themselves.
bool TakesArgumentsAsText(ToolFormat format);

// A call, or a piece of one.
struct ToolCall {
  std::string name;       // of a tool that the request offers; empty: more of the call before
  std::string arguments;  // a JSON object, as the model wrote it; joined from all pieces
  // How many bytes of the content that comes out together with it stand before it; npos: all.
  size_t text_before = std::string::npos;
};

// Owned by one answer, used by one thread at a time. What comes out, joined, does not depend on how
// the text was cut. Where the model is free, a call comes out whole, when it is known to be one:
// its arguments parse, and its tool was offered. What began like a call and is none comes out as
// content, to the byte; of calls, only marks and the white space around them go.
// (bound_tool_calls.h says what holds where a grammar binds the model.)
class ToolCallParser {
 public:
  struct Piece {
    std::string content;
    std::vector<ToolCall> calls;
  };

  virtual ~ToolCallParser() = default;
  virtual Piece Push(std::string_view text) = 0;
  // The rest at the end of the answer. A complete call that only misses its end mark is one.
  virtual Piece Flush() = 0;
};

// `names` are the tools that the request offers. REQUIRES: not kHarmony.
std::unique_ptr<ToolCallParser> MakeToolCallParser(ToolFormat format,
                                                   std::vector<std::string> names);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_PARSER_H_
