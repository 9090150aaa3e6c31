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
  // More than white space stands before a call's object: its name, which has no quotes.
  bool has_head = false;
  // What stands between the marks of one call.
  std::optional<ToolCall> (*parse)(std::string_view body, const std::vector<std::string>& names);
};

extern const ToolCallForm kDeepSeekForm;
extern const ToolCallForm kHermesForm;

// A mark within a string of a call's JSON is text. Behind the object a call ends with its end mark,
// or before the begin mark of the next one. What turns out not to be JSON is no call: its begin
// mark is content, and what follows is read as any text. So a string that a model has left open
// costs that call and no other, and that as soon as the text shows it.
//
// The time is linear in the answer's length, whatever it says: no byte is read more than four
// times. Text is read again only where a call began in what another had taken for a string. Of two
// such calls each quote opens a string of the one and closes one of the other; at a mark the outer
// one is within a string, or it would end there, and so the inner one is not, and ends. None but
// the last can reach beyond the place where the outer one ended.
class MarkedToolCalls : public ToolCallParser {
 public:
  // `form` outlives this object.
  MarkedToolCalls(const ToolCallForm& form, std::vector<std::string> names)
      : form_(form), names_(std::move(names)) {}

  Piece Push(std::string_view text) override;
  Piece Flush() override;

 private:
  // What of a call comes next: what stands before its object, within it, behind it.
  enum class Part { kHead, kObject, kTail };

  // Passes on what buffer_ decides.
  void Read(Piece* piece);
  // Each passes on what comes next; false: more is needed.
  bool Outside(Piece* piece);
  bool Inside(Piece* piece);
  // Takes the call's next byte; false: this is no call.
  bool Scan(char byte);
  // The call has been read up to `mark`.
  void EndCall(std::string_view mark, Piece* piece);
  void NoCall(Piece* piece);
  void AddContent(std::string_view text, Piece* piece);
  // `raw` is the call with its marks.
  void AddCall(std::string_view body, std::string_view raw, Piece* piece);

  const ToolCallForm& form_;
  const std::vector<std::string> names_;
  std::string buffer_;
  size_t begin_ = 0;     // of buffer_, what is not decided: may begin a mark, or is within a call
  bool inside_ = false;  // there stands a call's begin mark
  size_t next_ = 0;      // inside: up to where buffer_ has been read
  Part part_ = Part::kHead;
  JsonObjectScanner object_;
  // White space and section marks that vanish beside a call, and are content beside content.
  std::string glue_;
  bool after_call_ = false;  // nothing but glue since the last call
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_MARKED_TOOL_CALLS_H_
