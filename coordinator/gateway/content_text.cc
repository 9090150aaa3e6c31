#include "coordinator/gateway/content_text.h"

#include <algorithm>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {

absl::StatusOr<std::string> PartText(const Json& part, const std::string& where, PartTypes types) {
  const Json* type = FindString(part, "type");
  if (type == nullptr) {
    return ParamError(where, fmt::format("'{}' must be an object with a type", where));
  }
  if (std::none_of(types.begin(), types.end(), [&](auto known) { return *type == known; })) {
    return ParamError(
        where, fmt::format("'{}' has the type {}: only text is supported", where, DumpJson(*type)),
        kUnsupportedParameter);
  }
  const Json* text = FindString(part, *type == "refusal" ? "refusal" : "text");
  if (text == nullptr) return ParamError(where, fmt::format("'{}' must have a text", where));
  return text->get<std::string>();
}

absl::StatusOr<std::string> ContentText(const Json& content, const std::string& where,
                                        PartTypes types) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    return ParamError(where, fmt::format("'{}' must be a string or a list of text parts", where));
  }
  SY_RETURN_IF_ERROR(CheckCount(content, ChatFields::kMaxParts, where));
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    SY_ASSIGN_OR_RETURN(const std::string piece,
                        PartText(content[i], fmt::format("{}[{}]", where, i), types));
    text += piece;
  }
  return text;
}

void AddThoughts(const std::string& thoughts, Json* message) {
  if (thoughts.empty()) return;
  Json& all = (*message)["reasoning_content"];
  if (all.is_null()) {
    all = thoughts;
  } else {
    all.get_ref<std::string&>().append("\n").append(thoughts);
  }
}

}  // namespace switchyard::gateway
