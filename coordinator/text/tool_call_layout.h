// The exact text of tool calls where a grammar holds the model to them: of all the ways that
// parsers read, the one that the model's chat template writes.
//
//   section_begin  call  separator call ...  section_end
//   call: before_name NAME before_arguments {...} after_arguments
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_LAYOUT_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_LAYOUT_H_

#include <string_view>

#include "coordinator/text/tool_call_parser.h"

namespace switchyard::text {

struct ToolCallLayout {
  std::string_view section_begin;
  std::string_view before_name;
  std::string_view before_arguments;  // no name has its first byte (IsToolName)
  std::string_view after_arguments;
  std::string_view separator;
  std::string_view section_end;
  bool may_follow_text = true;  // else calls are the whole answer
  bool may_repeat = true;       // else there is one
  // A grammar may leave the model free to call or not; else it binds calls that must be.
  bool may_be_free = true;
};

const ToolCallLayout& LayoutOf(ToolFormat format);

// Names that every layout can hold: 1 to 128 letters, digits and "_-.:/".
bool IsToolName(std::string_view name);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOOL_CALL_LAYOUT_H_
