#include "tests/coordinator/text/grammar/schema_samples.h"

#include <random>

#include "base/json.h"

namespace switchyard::text::grammar {
namespace {

const char* const kWritten[] = {
    R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer",
        "minimum": 0, "maximum": 150}}, "required": ["name", "age"],
        "additionalProperties": false})",
    R"({"type": "object", "properties": {"city": {"type": "string", "minLength": 1,
        "maxLength": 40}, "unit": {"enum": ["celsius", "fahrenheit"]}}, "required": ["city"]})",
    R"({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 4}},
        "required": ["id", "tags"], "additionalProperties": false}, "minItems": 1,
        "maxItems": 3})",
    R"({"type": "object", "properties": {"steps": {"type": "array", "items": {"$ref":
        "#/$defs/step"}}, "answer": {"type": "number"}}, "required": ["steps", "answer"],
        "additionalProperties": false, "$defs": {"step": {"type": "object", "properties":
        {"explanation": {"type": "string"}, "output": {"type": "string"}}, "required":
        ["explanation", "output"], "additionalProperties": false}}})",
    R"({"type": "object", "properties": {"op": {"enum": ["+", "-", "*"]}, "args": {"type":
        "array", "items": {"anyOf": [{"type": "number"}, {"$ref": "#"}]}, "minItems": 2,
        "maxItems": 2}}, "required": ["op", "args"], "additionalProperties": false})",
    R"({"type": "object", "properties": {"value": {"type": "integer"}, "next": {"anyOf":
        [{"type": "null"}, {"$ref": "#"}]}}, "required": ["value", "next"]})",
    R"({"oneOf": [{"type": "object", "properties": {"kind": {"const": "circle"}, "r": {"type":
        "number", "exclusiveMinimum": 0}}, "required": ["kind", "r"]}, {"type": "object",
        "properties": {"kind": {"const": "box"}, "w": {"type": "number"}, "h": {"type":
        "number"}}, "required": ["kind", "w", "h"]}]})",
    R"({"type": "object", "properties": {"when": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"}, "id": {"type": "string", "format": "uuid"},
        "mail": {"type": "string", "format": "email"}, "ip": {"type": "string", "format":
        "ipv4"}}, "required": ["when", "id", "mail"]})",
    R"({"type": "object", "patternProperties": {"^x-": {"type": "string"}, "^n\\d+$": {"type":
        "integer"}}, "additionalProperties": false, "maxProperties": 3})",
    R"({"type": "object", "additionalProperties": {"type": "array", "items": {"type":
        "boolean"}}, "minProperties": 1})",
    R"({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required":
        ["a"]}, {"properties": {"b": {"type": "integer", "multipleOf": 5}, "a": {"maxLength":
        6}}}]})",
    R"({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}, {"enum": ["N",
        "S"]}], "items": false, "minItems": 3})",
    R"({"type": "string", "pattern": "^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$"})",
    R"({"type": ["object", "array", "string", "number", "boolean", "null"]})",
    R"({"type": "object", "properties": {"f": {"type": "object", "properties": {"g": {"type":
        "object", "properties": {"h": {"type": "array", "items": {"type": "array", "items":
        {"type": "integer", "minimum": -3, "maximum": 3}}}}, "required": ["h"]}}, "required":
        ["g"]}}, "required": ["f"]})",
    R"({"enum": [{"a": [1, 2.5, "x\n\"y"]}, "é", null, -7, []]})",
    R"({"type": "number", "minimum": -2.75, "exclusiveMaximum": 13.5})",
    R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}, "d": {}}, "minProperties": 2,
        "maxProperties": 3, "additionalProperties": {"type": "null"}})",
    R"({"type": "object", "properties": {"\"quoted\"": {"type": "null"}, "日本": {"type":
        "boolean"}}, "required": ["日本"]})",
    R"({"type": "string", "minLength": 3, "maxLength": 12, "pattern": "[aeiou]"})",
};

// Draws schemas that have a text: bounds are in order, alternatives differ in their types.
class SchemaSource {
 public:
  explicit SchemaSource(uint32_t seed) : random_(seed) {}

  Json Draw(int depth) {
    const size_t kind = random_() % (depth > 0 ? 9 : 5);
    switch (kind) {
      case 0:
        return Integer();
      case 1:
        return Number();
      case 2:
        return String();
      case 3:
        return {{"type", Pick({"boolean", "null"})}};
      case 4:
        return {{"enum", {Word(), Word() + "\"\\", Below(100), nullptr, 0.5}}};
      case 5:
      case 6:
        return Object(depth - 1);
      case 7:
        return Array(depth - 1);
      default:
        return Combination(depth - 1);
    }
  }

 private:
  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint32_t>(limit)); }
  bool Coin() { return Below(2) == 0; }
  std::string Pick(std::vector<std::string> words) { return words[Below(words.size())]; }
  std::string Word() { return Pick({"name", "id", "x", "größe", "a b", "list", "v1", "日"}); }

  Json Integer() {
    Json schema = {{"type", "integer"}};
    const int min = Below(400) - 200;
    if (Coin()) schema[Coin() ? "minimum" : "exclusiveMinimum"] = min;
    if (Coin()) schema[Coin() ? "maximum" : "exclusiveMaximum"] = min + 30 + Below(5000);
    if (Below(4) == 0) schema["multipleOf"] = 1 + Below(12);
    return schema;
  }

  Json Number() {
    Json schema = {{"type", "number"}};
    const double min = (Below(4000) - 2000) / 8.0;
    if (Coin()) schema[Coin() ? "minimum" : "exclusiveMinimum"] = min;
    if (Coin()) schema[Coin() ? "maximum" : "exclusiveMaximum"] = min + 0.125 + Below(80) / 4.0;
    return schema;
  }

  Json String() {
    Json schema = {{"type", "string"}};
    const int min = Below(6);
    switch (Below(4)) {
      case 0:
        break;
      case 1:
        schema["minLength"] = min;
        schema["maxLength"] = min + Below(10);
        break;
      case 2:
        schema["format"] = Pick({"date", "time", "uuid", "ipv4", "date-time", "duration",
                                 "hostname", "email", "ipv6", "uri"});
        break;
      default:
        schema["pattern"] =
            Pick({"^[a-z]+$", "\\d", "^(ab|cd)*e?$", "^.{2,5}$", "[\"\\\\/]", "x$"});
        if (Coin()) schema["maxLength"] = 6 + Below(10);
    }
    return schema;
  }

  Json Object(int depth) {
    Json schema = {{"type", "object"}, {"properties", Json::object()}};
    const int num_members = Below(5);
    Json required = Json::array();
    for (int i = 0; i < num_members; ++i) {
      const std::string name = Word() + std::string(Below(2), '_');
      if (schema["properties"].contains(name)) continue;
      schema["properties"][name] = Draw(depth);
      if (Coin()) required.push_back(name);
    }
    const bool is_open = Coin();
    if (!is_open) schema["additionalProperties"] = Coin() ? Json(false) : Draw(0);
    if (Below(3) == 0) schema["maxProperties"] = required.size() + Below(3);
    if (Below(3) == 0) schema["patternProperties"] = {{"^p", Draw(0)}, {"^q", Json::object()}};
    if (!required.empty()) schema["required"] = required;
    return schema;
  }

  Json Array(int depth) {
    Json schema = {{"type", "array"}, {"items", Draw(depth)}};
    if (Below(3) == 0) schema["prefixItems"] = {Draw(depth), Draw(0)};
    const int min = Below(4);
    if (Coin()) schema["minItems"] = min;
    if (Coin()) schema["maxItems"] = min + Below(4);
    return schema;
  }

  Json Combination(int depth) {
    const Json a = Draw(depth);
    switch (Below(3)) {
      case 0:
        return {{"anyOf", {a, Draw(depth)}}};
      case 1:
        return {{"oneOf", {{{"type", "boolean"}}, {{"type", "array"}, {"items", a}}}}};
      default:
        return {{"allOf", {a, {{"description", "nothing more"}}}}};
    }
  }

  std::mt19937 random_;
};

}  // namespace

std::vector<std::string> SampleSchemas(size_t count) {
  std::vector<std::string> schemas(std::begin(kWritten), std::end(kWritten));
  for (uint32_t seed = 0; schemas.size() < count; ++seed) {
    schemas.push_back(SchemaSource(seed).Draw(3).dump());
  }
  return schemas;
}

}  // namespace switchyard::text::grammar
