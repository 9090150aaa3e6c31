#include "coordinator/gateway/unsupported_fields.h"

#include <string>

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

constexpr const char* kIdleTexts[] = {"user", "safety_identifier", "prompt_cache_key",
                                      "prompt_cache_retention", "service_tier"};

bool IsHarmless(const Field& field, const Json& value) {
  for (const Json& harmless : Json::parse(field.harmless_values)) {
    if (value == harmless) return true;
  }
  return false;
}

absl::Status CheckMetadata(const RequestFields& fields) {
  const Json* metadata = FindField(fields, "metadata");
  if (metadata == nullptr) return absl::OkStatus();
  const auto is_text = [](const auto& entry) {
    return entry.key().size() <= 64 && entry.value().is_string() &&
           entry.value().template get_ref<const std::string&>().size() <= 512;
  };
  bool is_right = metadata->is_object() && metadata->size() <= 16;
  for (auto entry = metadata->begin(); is_right && entry != metadata->end(); ++entry) {
    is_right = is_text(entry);
  }
  if (is_right) return absl::OkStatus();
  return ParamError("metadata",
                    "'metadata' must be an object of at most 16 texts, each of at most 512 bytes "
                    "with a name of at most 64");
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

absl::Status CheckIdleFields(const RequestFields& request) {
  std::string text;
  for (const char* name : kIdleTexts) SY_RETURN_IF_ERROR(ReadString(request, name, &text));
  return CheckMetadata(request);
}

}  // namespace switchyard::gateway
