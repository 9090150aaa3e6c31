// Tool calls between marks: the forms of DeepSeek and of Hermes.
#ifndef SWITCHYARD_COORDINATOR_TEXT_MARKED_TOOL_CALLS_H_
#define SWITCHYARD_COORDINATOR_TEXT_MARKED_TOOL_CALLS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/text/tool_call_json.h"
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

// An end mark within a string of the call's JSON is text. Where no end mark comes outside of
// strings the first one ends the call all the same: the model has left a string open.
class MarkedToolCalls : public ToolCallParser {
 public:
  // `form` outlives this object.
  MarkedToolCalls(const ToolCallForm& form, std::vector<std::string> names)
      : form_(form), names_(std::move(names)) {}

  Piece Push(std::string_view text) override;
  Piece Flush() override;

 private:
  // Of what a call has been read of: up to its object, within it, behind it. Outside of the object,
  // and of one that is no JSON, marks count everywhere.
  enum class Part { kHead, kObject, kTail };

  // Passes on what buffer_ decides.
  void Read(Piece* piece);
  void Outside(Piece* piece);
  void BeginCall();
  // Where the end mark stands; npos: not there yet.
  size_t FindEnd();
  void Scan(char byte);
  void AddContent(std::string_view text, Piece* piece);
  // `raw` is the call with its marks.
  void AddCall(std::string_view body, std::string_view raw, Piece* piece);

  const ToolCallForm& form_;
  const std::vector<std::string> names_;
  std::string buffer_;   // not decided: may begin a mark, or is a call that is not complete
  bool inside_ = false;  // buffer_ begins with call_begin
  // Inside: bytes of buffer_ that no end mark begins in, and what they are.
  size_t num_searched_ = 0;
  Part part_ = Part::kHead;
  JsonObjectScanner object_;
  // White space and section marks that vanish beside a call, and are content beside content.
  std::string glue_;
  bool after_call_ = false;  // nothing but glue since the last call
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_MARKED_TOOL_CALLS_H_
