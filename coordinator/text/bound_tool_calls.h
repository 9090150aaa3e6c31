// Tool calls of an answer that a grammar holds to a layout: their arguments come out as they are
// written.
#ifndef SWITCHYARD_COORDINATOR_TEXT_BOUND_TOOL_CALLS_H_
#define SWITCHYARD_COORDINATOR_TEXT_BOUND_TOOL_CALLS_H_

#include <string>
#include <string_view>

#include "coordinator/text/tool_call_json.h"
#include "coordinator/text/tool_call_layout.h"

namespace switchyard::text {

// A call comes out with its name, and then as its arguments grow. NOTE: an answer that is cut
// within a call leaves its arguments unfinished; one that is cut before the name is whole leaves
// nothing of that call, unless it may also have been text. Marks within arguments are text.
class BoundToolCalls : public ToolCallParser {
 public:
  // `layout` outlives this object. `is_demanded`: the answer is calls, whatever its beginning.
  BoundToolCalls(const ToolCallLayout& layout, bool is_demanded);

  Piece Push(std::string_view text) override;
  Piece Flush() override;

 private:
  enum class State { kText, kName, kArguments, kAfter, kRest };

  // Each takes what is decided off buffer_; false: more is needed.
  bool Text(Piece* piece);
  bool Name(Piece* piece);
  bool Arguments(Piece* piece);
  bool After();
  // Text outside of calls.
  void AddContent(std::string_view text, Piece* piece);

  const ToolCallLayout& layout_;
  const bool is_demanded_;
  const std::string opening_;  // of the first call
  const std::string next_;     // from the end of a call's arguments to the next call's name
  const std::string end_;      // from there to the end of all calls
  State state_ = State::kText;
  bool has_text_ = false;
  std::string buffer_;  // what is not decided; before the first call, what may begin opening_
  std::string glue_;    // white space that vanishes before a call, and is content before content
  JsonObjectScanner scanner_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_BOUND_TOOL_CALLS_H_
