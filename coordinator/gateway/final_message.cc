#include "coordinator/gateway/final_message.h"

#include <string>
#include <string_view>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/json_fields.h"

namespace switchyard::gateway {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";

// The content up to the white space at its end, and that.
struct Content {
  std::string_view text;
  std::string_view end;
};
Content ContentOf(const std::string& content) {
  const size_t first = content.find_first_not_of(kWhiteSpace);
  if (first == content.npos) return {};
  const size_t behind = content.find_last_not_of(kWhiteSpace) + 1;
  const std::string_view all = content;
  return {.text = all.substr(first, behind - first), .end = all.substr(behind)};
}

}  // namespace

absl::Status CutBehindFinalMessage(const Json& messages, text::RenderedText* rendered) {
  const Json& message = messages.back();
  const Json* calls = FindField(message, "tool_calls");
  const Content content = message["content"].is_string()
                              ? ContentOf(message["content"].get_ref<const std::string&>())
                              : Content{};
  if (content.text.empty() || (calls != nullptr && !calls->empty())) {
    return ParamError("messages",
                      "the last message cannot be continued: it must have a text, and no calls of "
                      "tools");
  }
  // Only the request's own text can be the message: a template may write the same behind it.
  auto& segments = rendered->segments;
  for (size_t i = segments.size(); i-- > 0;) {
    if (!segments[i].from_user) continue;
    std::string& text = segments[i].text;
    const size_t at = text.rfind(content.text);
    if (at == text.npos) continue;
    size_t behind = at + content.text.size();
    if (text.compare(behind, content.end.size(), content.end) == 0) behind += content.end.size();
    text.resize(behind);
    segments.resize(i + 1);
    return absl::OkStatus();
  }
  return ParamError("messages",
                    "the last message cannot be continued: the model's chat template does not "
                    "write its text as it is");
}

}  // namespace switchyard::gateway
