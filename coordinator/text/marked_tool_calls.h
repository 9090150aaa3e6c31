// Tool calls between marks: the forms of DeepSeek and of Hermes.
#ifndef SWITCHYARD_COORDINATOR_TEXT_MARKED_TOOL_CALLS_H_
#define SWITCHYARD_COORDINATOR_TEXT_MARKED_TOOL_CALLS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/text/tool_call_parser.h"

namespace switchyard::text {

struct ToolCallForm {
  std::string_view call_begin;
  std::string_view call_end;
  // Around all calls together; may be empty: the form has none.
  std::string_view section_begin;
  std::string_view section_end;
  // What stands between the marks of one call.
  std::optional<ToolCall> (*parse)(std::string_view body, const std::vector<std::string>& names);
};

extern const ToolCallForm kDeepSeekForm;
extern const ToolCallForm kHermesForm;

class MarkedToolCalls : public ToolCallParser {
 public:
  // `form` outlives this object.
  MarkedToolCalls(const ToolCallForm& form, std::vector<std::string> names)
      : form_(form), names_(std::move(names)) {}

  Piece Push(std::string_view text) override;
  Piece Flush() override;

 private:
  void Outside(Piece* piece);
  void AddContent(std::string_view text, Piece* piece);
  // `raw` is the call with its marks.
  void AddCall(std::string_view body, std::string_view raw, Piece* piece);

  const ToolCallForm& form_;
  const std::vector<std::string> names_;
  std::string buffer_;       // not decided: may begin a mark, or is a call that is not complete
  bool inside_ = false;      // buffer_ begins with call_begin
  size_t num_searched_ = 0;  // inside: bytes of buffer_ that no end mark begins in
  // White space and section marks that vanish beside a call, and are content beside content.
  std::string glue_;
  bool after_call_ = false;  // nothing but glue since the last call
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_MARKED_TOOL_CALLS_H_
