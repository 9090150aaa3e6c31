#include "tests/coordinator/text/grammar/json_validator.h"

#include <algorithm>
#include <cmath>
#include <regex>

#include "tests/coordinator/text/grammar/json_formats.h"

namespace switchyard::text::grammar {
namespace {

using nlohmann::json;

bool HasType(const json& value, const std::string& type) {
  if (type == "integer") {
    return value.is_number() && std::floor(value.get<double>()) == value.get<double>();
  }
  if (type == "number") return value.is_number();
  if (type == "null") return value.is_null();
  return value.type_name() == type;
}

bool IsMultiple(double value, double divisor) {
  const double ratio = value / divisor;
  return std::abs(ratio - std::round(ratio)) < 1e-9 * std::max(1.0, std::abs(ratio));
}

size_t Length(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

// Words of one schema, and of those in it.
class Validator {
 public:
  explicit Validator(const json& document) : document_(document) {}

  std::string Check(const json& schema, const json& value) const {
    if (schema.is_boolean()) return schema.get<bool>() ? "" : "false";
    for (const auto& [word, argument] : schema.items()) {
      const std::string violation = CheckWord(schema, word, argument, value);
      if (!violation.empty()) return violation;
    }
    return "";
  }

 private:
  std::string CheckWord(const json& schema, const std::string& word, const json& argument,
                        const json& value) const {
    if (!HoldsAny(word, argument, value)) return word;
    if (value.is_number() && !HoldsNumber(word, argument, value.get<double>())) return word;
    if (value.is_string() && !HoldsString(word, argument, value.get<std::string>())) return word;
    if (value.is_array()) return CheckArray(schema, word, argument, value);
    if (value.is_object()) return CheckObject(schema, word, argument, value);
    return "";
  }

  bool Is(const json& schema, const json& value) const { return Check(schema, value).empty(); }

  bool HoldsAny(const std::string& word, const json& argument, const json& value) const {
    const auto is = [&](const json& schema) { return Is(schema, value); };
    const auto has_type = [&](const json& type) { return HasType(value, type.get<std::string>()); };
    if (word == "type" && argument.is_array()) {
      return std::any_of(argument.begin(), argument.end(), has_type);
    }
    if (word == "type") return has_type(argument);
    if (word == "const") return value == argument;
    if (word == "enum") return std::find(argument.begin(), argument.end(), value) != argument.end();
    if (word == "allOf") return std::all_of(argument.begin(), argument.end(), is);
    if (word == "anyOf") return std::any_of(argument.begin(), argument.end(), is);
    if (word == "oneOf") return std::count_if(argument.begin(), argument.end(), is) == 1;
    if (word == "$ref") {
      return is(document_.at(json::json_pointer(argument.get<std::string>().substr(1))));
    }
    return true;
  }

  static bool HoldsNumber(const std::string& word, const json& argument, double value) {
    if (word == "minimum") return value >= argument.get<double>();
    if (word == "maximum") return value <= argument.get<double>();
    if (word == "exclusiveMinimum") return value > argument.get<double>();
    if (word == "exclusiveMaximum") return value < argument.get<double>();
    return word != "multipleOf" || IsMultiple(value, argument.get<double>());
  }

  static bool HoldsString(const std::string& word, const json& argument, const std::string& text) {
    if (word == "minLength") return Length(text) >= argument.get<size_t>();
    if (word == "maxLength") return Length(text) <= argument.get<size_t>();
    if (word == "format") return HasFormat(text, argument.get<std::string>());
    return word != "pattern" || std::regex_search(text, std::regex(argument.get<std::string>()));
  }

  std::string CheckArray(const json& schema, const std::string& word, const json& argument,
                         const json& array) const {
    if (word == "minItems" && array.size() < argument.get<size_t>()) return word;
    if (word == "maxItems" && array.size() > argument.get<size_t>()) return word;
    const size_t num_prefix = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
    for (size_t i = 0; i < array.size(); ++i) {
      const bool is_prefix = i < num_prefix;
      std::string violation;
      if (word == "prefixItems" && is_prefix) violation = Check(argument[i], array[i]);
      if (word == "items" && !is_prefix) violation = Check(argument, array[i]);
      if (!violation.empty()) return std::to_string(i) + "/" + violation;
    }
    return "";
  }

  std::string CheckObject(const json& schema, const std::string& word, const json& argument,
                          const json& object) const {
    if (word == "minProperties" && object.size() < argument.get<size_t>()) return word;
    if (word == "maxProperties" && object.size() > argument.get<size_t>()) return word;
    if (word == "required") {
      for (const json& name : argument) {
        if (!object.contains(name.get<std::string>())) return word + "/" + name.get<std::string>();
      }
    }
    for (const auto& [name, value] : object.items()) {
      const std::string violation = CheckMember(schema, word, argument, name, value);
      if (!violation.empty()) return name + "/" + violation;
    }
    return "";
  }

  std::string CheckMember(const json& schema, const std::string& word, const json& argument,
                          const std::string& name, const json& value) const {
    if (word == "properties" && argument.contains(name)) return Check(argument[name], value);
    bool is_known = schema.contains("properties") && schema["properties"].contains(name);
    const json patterns = schema.value("patternProperties", json::object());
    for (const auto& [pattern, part] : patterns.items()) {
      if (!std::regex_search(name, std::regex(pattern))) continue;
      is_known = true;
      const std::string violation = word == "patternProperties" ? Check(part, value) : "";
      if (!violation.empty()) return violation;
    }
    return word == "additionalProperties" && !is_known ? Check(argument, value) : "";
  }

  const json& document_;
};

}  // namespace

std::string FindViolation(const json& document, const json& schema, const json& value) {
  return Validator(document).Check(schema, value);
}

}  // namespace switchyard::text::grammar
