#include "coordinator/gateway/structured_fields.h"

#include <string>
#include <utility>
#include <vector>

#include "coordinator/gateway/error_map.h"
#include "coordinator/text/grammar/compile.h"

namespace switchyard::gateway {
namespace {

namespace grammar = text::grammar;

// Every worker gets it in one message, with those of other requests that start in the same step.
constexpr size_t kMaxGrammarBytes = size_t{1} << 20;

using Compiled = absl::StatusOr<v1::Grammar>;
using grammar::JsonSpacing;

absl::Status WrongType(const std::string& param, std::string_view expected) {
  return ParamError(param, fmt::format("'{}' must be {}", param, expected));
}

// A schema as an object, or as text that spells one.
Compiled FromSchema(const std::string& /*param*/, const Json& value, JsonSpacing spacing) {
  if (!value.is_string()) return grammar::CompileJsonSchema(value, spacing);
  SY_ASSIGN_OR_RETURN(const Json schema, ParseJson(value.get_ref<const std::string&>()));
  return grammar::CompileJsonSchema(schema, spacing);
}

Compiled FromRegex(const std::string& param, const Json& value, JsonSpacing) {
  if (!value.is_string()) return WrongType(param, "a string");
  return grammar::CompileRegex(value.get_ref<const std::string&>());
}

Compiled FromGrammar(const std::string& param, const Json& value, JsonSpacing) {
  if (!value.is_string()) return WrongType(param, "a string");
  return grammar::CompileEbnf(value.get_ref<const std::string&>());
}

Compiled FromChoice(const std::string& param, const Json& value, JsonSpacing) {
  std::vector<std::string> choices;
  if (!value.is_array()) return WrongType(param, "a list of strings");
  for (const Json& choice : value) {
    if (!choice.is_string()) return WrongType(param, "a list of strings");
    choices.push_back(choice.get<std::string>());
  }
  return grammar::CompileChoice(choices);
}

Compiled FromJsonObject(const std::string& param, const Json& value, JsonSpacing spacing) {
  if (value != true) return WrongType(param, "true");
  return grammar::CompileJsonObject(spacing);
}

struct Field {
  const char* name;
  Compiled (*compile)(const std::string& param, const Json& value, JsonSpacing spacing);
};
constexpr Field kGuided[] = {{"guided_json", FromSchema},
                             {"guided_regex", FromRegex},
                             {"guided_choice", FromChoice},
                             {"guided_grammar", FromGrammar}};
constexpr Field kStructured[] = {{"json", FromSchema},
                                 {"regex", FromRegex},
                                 {"choice", FromChoice},
                                 {"grammar", FromGrammar},
                                 {"json_object", FromJsonObject}};

// JSON is compact unless a request says that it need not be.
absl::StatusOr<JsonSpacing> ReadSpacing(const RequestFields& structured) {
  const Json* is_compact = FindField(structured, "disable_any_whitespace");
  if (is_compact == nullptr || *is_compact == true) return JsonSpacing::kCompact;
  if (*is_compact == false) return JsonSpacing::kFlexible;
  return WrongType("structured_outputs.disable_any_whitespace", "true or false");
}

// What one request asks for: at most one thing.
class Reader {
 public:
  explicit Reader(JsonSpacing spacing) : spacing_(spacing) {}

  absl::Status ReadResponseFormat(const RequestFields& request) {
    const Json* given = FindField(request, "response_format");
    if (given == nullptr) return absl::OkStatus();
    if (!given->is_object()) return WrongType("response_format", "an object with a type");
    const RequestFields format(*given, "response_format");
    SY_RETURN_IF_ERROR(ReadFormat(format));
    request.IgnoreUnread(format);
    return absl::OkStatus();
  }

  template <size_t n>
  absl::Status ReadFields(const RequestFields& object, const std::string& prefix,
                          const Field (&fields)[n]) {
    for (const Field& field : fields) {
      const std::string param = prefix + field.name;
      const Json* value = FindField(object, field.name);
      if (value != nullptr) SY_RETURN_IF_ERROR(Take(param, field.compile(param, *value, spacing_)));
    }
    return absl::OkStatus();
  }

  std::shared_ptr<const v1::Grammar> result() && { return std::move(result_); }

 private:
  absl::Status ReadFormat(const RequestFields& format) {
    const Json* type = FindField(format, "type");
    if (type == nullptr) return WrongType("response_format", "an object with a type");
    if (*type == "text") return absl::OkStatus();
    if (*type == "json_object") {
      const Json* schema = FindField(format, "schema");  // some servers take one here
      return Take("response_format", schema == nullptr
                                         ? grammar::CompileJsonObject(spacing_)
                                         : grammar::CompileJsonSchema(*schema, spacing_));
    }
    if (*type == "json_schema") return ReadJsonSchema(format);
    return WrongType("response_format.type", "text, json_object or json_schema");
  }

  // A schema is held to, `strict` or not; its name and description change nothing.
  absl::Status ReadJsonSchema(const RequestFields& format) {
    const std::string param = "response_format.json_schema";
    const Json* given = FindField(format, "json_schema");
    if (given == nullptr || !given->is_object()) return WrongType(param, "an object with a schema");
    const RequestFields wrapper(*given, param);
    const Json* schema = FindField(wrapper, "schema");
    if (schema == nullptr) return WrongType(param, "an object with a schema");
    std::string text;
    bool strict = false;
    SY_RETURN_IF_ERROR(ReadString(wrapper, "name", &text));
    SY_RETURN_IF_ERROR(ReadString(wrapper, "description", &text));
    SY_RETURN_IF_ERROR(ReadBool(wrapper, "strict", &strict));
    format.IgnoreUnread(wrapper);
    return Take("response_format", grammar::CompileJsonSchema(*schema, spacing_));
  }

  absl::Status Take(const std::string& param, Compiled compiled) {
    if (!compiled.ok()) return WithParam(compiled.status(), param);
    SY_RETURN_IF_ERROR(CheckGrammarSize(*compiled, param));
    if (result_ != nullptr) {
      return ParamError(param, fmt::format("'{}' and '{}' contradict each other", first_, param));
    }
    first_ = param;
    result_ = std::make_shared<const v1::Grammar>(*std::move(compiled));
    return absl::OkStatus();
  }

  const JsonSpacing spacing_;
  std::string first_;
  std::shared_ptr<const v1::Grammar> result_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const v1::Grammar>> ReadStructure(const RequestFields& request) {
  const Json none = Json::object();
  const Json* structured = FindField(request, "structured_outputs");
  if (structured == nullptr) structured = &none;
  if (!structured->is_object()) return WrongType("structured_outputs", "an object");
  const RequestFields fields(*structured);
  SY_ASSIGN_OR_RETURN(const JsonSpacing spacing, ReadSpacing(fields));
  Reader reader(spacing);
  SY_RETURN_IF_ERROR(reader.ReadResponseFormat(request));
  SY_RETURN_IF_ERROR(reader.ReadFields(request, "", kGuided));
  SY_RETURN_IF_ERROR(reader.ReadFields(fields, "structured_outputs.", kStructured));
  // A word that is skipped would leave the answer freer than was asked for.
  for (const std::string& name : fields.Unread()) {
    if (structured->at(name) == false) continue;  // asks for nothing
    return ParamError("structured_outputs",
                      fmt::format("'structured_outputs' has a field that is not supported: {}",
                                  Json(name).dump(-1, ' ', true)));
  }
  return std::move(reader).result();
}

Json ToResponseFormat(const Json& format) {
  if (FindField(format, "type") == nullptr || format["type"] != "json_schema") return format;
  Json wrapper = format;
  wrapper.erase("type");
  return {{"type", "json_schema"}, {"json_schema", std::move(wrapper)}};
}

absl::Status CheckGrammarSize(const v1::Grammar& grammar, const std::string& param) {
  if (grammar.ByteSizeLong() <= kMaxGrammarBytes) return absl::OkStatus();
  return ParamError(param, fmt::format("'{}' comes to an automaton of more than {} KiB", param,
                                       kMaxGrammarBytes >> 10));
}

}  // namespace switchyard::gateway
