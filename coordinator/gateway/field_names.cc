#include "coordinator/gateway/field_names.h"

#include "base/field_error.h"
#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {
namespace {

// `text` begins with the field or something within it.
bool Names(std::string_view text, std::string_view field) {
  if (!text.starts_with(field)) return false;
  const std::string_view rest = text.substr(field.size());
  return rest.empty() || rest[0] == '.' || rest[0] == '[' || rest[0] == '\'';
}

const FieldName* FindName(std::span<const FieldName> names, std::string_view text) {
  for (const FieldName& name : names) {
    if (Names(text, name.chat)) return &name;
  }
  return nullptr;
}

}  // namespace

absl::Status InWordsOf(std::span<const FieldName> names, const absl::Status& status) {
  const std::string message(status.message());
  std::string renamed;
  for (size_t i = 0; i < message.size(); ++i) {
    renamed += message[i];
    if (message[i] != '\'') continue;
    const FieldName* name = FindName(names, std::string_view(message).substr(i + 1));
    if (name == nullptr) continue;
    renamed += name->here;
    i += name->chat.size();
  }
  absl::Status result(status.code(), renamed);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  const std::string param = FieldOf(status);
  if (FindName(names, param) != nullptr) result = WithParam(result, InWordsOf(names, param));
  return result;
}

std::string InWordsOf(std::span<const FieldName> names, const std::string& field) {
  const FieldName* name = FindName(names, field);
  return name == nullptr ? field : std::string(name->here) + field.substr(name->chat.size());
}

}  // namespace switchyard::gateway
