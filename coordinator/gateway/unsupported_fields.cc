#include "coordinator/gateway/unsupported_fields.h"

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {
namespace {

// A field, and the values (a JSON array) that ask for what happens anyway; null always does.
struct Field {
  const char* name;
  const char* harmless_values;
  const char* hint = "";
};

constexpr Field kFields[] = {
    {"suffix", "[\"\"]"},
    {"functions", "[[]]", "use 'tools'"},
    {"function_call", "[\"auto\",\"none\"]", "use 'tools'"},
    {"enable_thinking", "[]", "set it in 'chat_template_kwargs'"},
    {"chat_template", "[]"},
    {"documents", "[[]]"},
    {"modalities", "[[\"text\"]]"},
    {"audio", "[]"},
    {"prediction", "[]"},
    {"web_search_options", "[]"},
    {"use_beam_search", "[false]"},
    {"guided_whitespace_pattern", "[]", "set 'disable_any_whitespace' in 'structured_outputs'"},
};

constexpr const char* kIdle[] = {
    "user",         "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "service_tier", "metadata"};

bool IsHarmless(const Field& field, const Json& value) {
  for (const Json& harmless : Json::parse(field.harmless_values)) {
    if (value == harmless) return true;
  }
  return false;
}

}  // namespace

absl::Status RefuseUnsupportedFields(const RequestFields& request) {
  for (const Field& field : kFields) {
    const Json* value = FindField(request, field.name);
    if (value == nullptr || IsHarmless(field, *value)) continue;
    const std::string hint = *field.hint == '\0' ? "" : fmt::format("; {}", field.hint);
    return ParamError(field.name,
                      fmt::format("this value of '{}' is not supported{}", field.name, hint),
                      kUnsupportedParameter);
  }
  return absl::OkStatus();
}

void PassIdleFields(const RequestFields& request) {
  for (const char* name : kIdle) request.Find(name);
}

}  // namespace switchyard::gateway
