// A JSON Schema (draft 2020-12), read and checked: one node for each schema in it.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_SCHEMA_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_SCHEMA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/json.h"
#include "coordinator/text/grammar/decimal.h"
#include "coordinator/text/grammar/dfa.h"
#include "coordinator/text/grammar/expr.h"

namespace switchyard::text::grammar {

// Types of JSON values, a bit each; a whole number is kInteger, any other kFraction.
enum JsonType : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kFraction = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAnyType = 127,
};

using SchemaId = uint32_t;  // index of a node

// `pattern` or `format`: what a string is.
struct StringPattern {
  ExprPtr expr;  // of the whole text; no anchors
  Dfa plain;     // the same over UTF-8
};

// Values of `const` or `enum`.
struct ValueList {
  std::vector<Json> values;
  std::unordered_set<std::string> texts;  // CanonicalText of each
};

struct SchemaNode {
  std::string pointer;  // where it stands, "#" for the whole
  uint8_t types = kAnyType;
  // `const`, and `enum`; a value must be in each list.
  std::vector<ValueList> values;

  NumberWords number;

  uint32_t min_length = 0;
  uint32_t max_length = kNoLimit;
  std::vector<StringPattern> patterns;

  std::vector<SchemaId> prefix_items;
  std::optional<SchemaId> items;
  uint32_t min_items = 0;
  uint32_t max_items = kNoLimit;

  std::vector<std::pair<std::string, SchemaId>> properties;
  struct PatternProperty {
    StringPattern name;
    SchemaId schema = 0;
  };
  std::vector<PatternProperty> pattern_properties;
  std::optional<SchemaId> additional_properties;
  std::vector<std::string> required;
  uint32_t min_properties = 0;
  uint32_t max_properties = kNoLimit;

  // All of these hold, too: `allOf` and `$ref`.
  std::vector<SchemaId> all_of;
  // One of these holds, or exactly one.
  std::vector<SchemaId> any_of;
  std::vector<SchemaId> one_of;

  bool is_false() const { return types == 0; }
  bool has_object_words() const {
    return !properties.empty() || !pattern_properties.empty() ||
           additional_properties.has_value() || !required.empty() || min_properties > 0 ||
           max_properties != kNoLimit;
  }
  bool has_array_words() const {
    return !prefix_items.empty() || items.has_value() || min_items > 0 || max_items != kNoLimit;
  }
  bool has_string_words() const {
    return min_length > 0 || max_length != kNoLimit || !patterns.empty();
  }
};

// Node 0 is the whole. INVALID_ARGUMENT, naming the JSON pointer and the word, for a word that is
// unknown, not supported or has a value of the wrong kind, and for a schema that refers to itself
// with no property or item between.
//
// Ignored are the words that say nothing about validity: $schema, $id, $comment, $anchor, $defs,
// definitions, title, description, default, examples, deprecated, readOnly, writeOnly,
// contentEncoding, contentMediaType, contentSchema, discriminator (OpenAPI's, beside oneOf), and
// what begins with x-. A $ref is "#" or a JSON pointer behind it.
absl::StatusOr<std::vector<SchemaNode>> ReadSchema(const Json& document, Budget& budget);

// One pattern of a schema as it is searched for in a string. The regex parser's errors.
absl::StatusOr<StringPattern> ReadPattern(std::string_view pattern, Budget& budget);

// date-time, date, time, duration, email, hostname, ipv4, ipv6, uri, uuid. INVALID_ARGUMENT for any
// other.
absl::StatusOr<StringPattern> ReadFormat(std::string_view format, Budget& budget);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_SCHEMA_H_
