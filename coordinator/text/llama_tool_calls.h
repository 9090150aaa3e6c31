// Tool calls as Llama 3.1 to 3.3 write them: the whole answer is a JSON object, perhaps behind
// <|python_tag|>, or several of them with ";" between.
#ifndef SWITCHYARD_COORDINATOR_TEXT_LLAMA_TOOL_CALLS_H_
#define SWITCHYARD_COORDINATOR_TEXT_LLAMA_TOOL_CALLS_H_

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/text/tool_call_json.h"
#include "coordinator/text/tool_call_parser.h"

namespace switchyard::text {

// Once the answer turns out to be something else, all of it is content.
class LlamaToolCalls : public ToolCallParser {
 public:
  static constexpr std::string_view kTag = "<|python_tag|>";

  explicit LlamaToolCalls(std::vector<std::string> names) : names_(std::move(names)) {}

  Piece Push(std::string_view text) override;
  Piece Flush() override;

 private:
  enum class State { kBetween, kObject, kContent };

  // Takes one byte of what stands before an object.
  void Between(char byte, Piece* piece);
  void Object(char byte, Piece* piece);
  // What is held was no call after all.
  void GiveUp(Piece* piece);

  const std::vector<std::string> names_;
  State state_ = State::kBetween;
  bool has_call_ = false;
  std::string glue_;    // between objects
  std::string object_;  // not complete
  JsonObjectScanner scanner_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_LLAMA_TOOL_CALLS_H_
