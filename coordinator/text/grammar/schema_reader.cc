// ReadSchema of schema.h: one function for each word.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <unordered_map>

#include "coordinator/text/grammar/schema.h"
#include "coordinator/text/grammar/value_check.h"

namespace switchyard::text::grammar {
namespace {

// Of a pointer in messages: a name may be very long, and stands in the pointers of all below it.
constexpr size_t kMaxPointerBytes = 300;

constexpr std::string_view kIgnored[] = {
    "$schema",       "$id",          "$comment",        "$anchor",    "$defs",
    "definitions",   "title",        "default",         "examples",   "readOnly",
    "writeOnly",     "description",  "contentEncoding", "deprecated", "contentMediaType",
    "contentSchema", "discriminator"};

absl::Status Bad(std::string what) { return absl::InvalidArgumentError(std::move(what)); }

// Whole numbers beyond 64 bits come as the double next to them, and would be written as that.
bool IsKept(const Json& value) {
  if (value.is_number_float()) return std::abs(value.get<double>()) < 0x1p63;
  return !value.is_structured() || std::all_of(value.begin(), value.end(), IsKept);
}

// A part of a JSON pointer as it is written in one.
std::string Escaped(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// Reads schemas one after the other, those within them and those referred to later: no depth of the
// document is a depth of the stack.
class SchemaReader {
 public:
  SchemaReader(const Json& document, Budget& budget) : document_(document), budget_(budget) {}

  absl::StatusOr<std::vector<SchemaNode>> Read() {
    Find(document_, "#");
    for (SchemaId id = 0; id < sources_.size(); ++id) {
      if (!budget_.Spend(50)) return budget_.Check();
      const absl::Status status = ReadNode(*sources_[id]);
      const std::string& pointer = nodes_[id].pointer;
      if (!status.ok()) return Annotate(status, fmt::format("schema {}", pointer));
      nodes_[id] = std::move(node_);
    }
    SY_RETURN_IF_ERROR(CheckReferences());
    return std::vector<SchemaNode>(std::make_move_iterator(nodes_.begin()),
                                   std::make_move_iterator(nodes_.end()));
  }

 private:
  // The node of a schema of the document, read now or later.
  SchemaId Find(const Json& source, std::string pointer) {
    const auto [at, is_new] = ids_.try_emplace(&source, static_cast<SchemaId>(sources_.size()));
    if (is_new) {
      if (pointer.size() > kMaxPointerBytes) {
        size_t end = kMaxPointerBytes;
        while ((pointer[end] & 0xc0) == 0x80) --end;  // do not cut a character
        pointer.replace(end, pointer.npos, "...");
      }
      sources_.push_back(&source);
      nodes_.push_back({.pointer = std::move(pointer)});
    }
    return at->second;
  }
  SchemaId FindIn(std::string_view word, const Json& source) {
    return Find(source, fmt::format("{}/{}", node_.pointer, word));
  }
  SchemaId FindIn(std::string_view word, std::string_view part, const Json& source) {
    return Find(source, fmt::format("{}/{}/{}", node_.pointer, word, Escaped(part)));
  }

  absl::Status ReadNode(const Json& source) {
    node_ = {.pointer = nodes_[ids_[&source]].pointer};
    if (source.is_boolean()) {
      if (!source.get<bool>()) node_.types = 0;
      return absl::OkStatus();
    }
    if (!source.is_object()) return Bad("a schema is an object, true or false");
    static const auto* const kReaders =
        new std::unordered_map<std::string,
                               absl::Status (SchemaReader::*)(std::string_view, const Json&)>{
            {"type", &SchemaReader::ReadType},
            {"const", &SchemaReader::ReadConst},
            {"enum", &SchemaReader::ReadEnum},
            {"minimum", &SchemaReader::ReadBound},
            {"exclusiveMinimum", &SchemaReader::ReadBound},
            {"maximum", &SchemaReader::ReadBound},
            {"exclusiveMaximum", &SchemaReader::ReadBound},
            {"multipleOf", &SchemaReader::ReadMultiple},
            {"minLength", &SchemaReader::ReadCount},
            {"maxLength", &SchemaReader::ReadCount},
            {"minItems", &SchemaReader::ReadCount},
            {"maxItems", &SchemaReader::ReadCount},
            {"minProperties", &SchemaReader::ReadCount},
            {"maxProperties", &SchemaReader::ReadCount},
            {"pattern", &SchemaReader::ReadPatternOrFormat},
            {"format", &SchemaReader::ReadPatternOrFormat},
            {"prefixItems", &SchemaReader::ReadList},
            {"allOf", &SchemaReader::ReadList},
            {"anyOf", &SchemaReader::ReadList},
            {"oneOf", &SchemaReader::ReadList},
            {"items", &SchemaReader::ReadItems},
            {"properties", &SchemaReader::ReadProperties},
            {"patternProperties", &SchemaReader::ReadPatternProperties},
            {"additionalProperties", &SchemaReader::ReadAdditional},
            {"required", &SchemaReader::ReadRequired},
            {"uniqueItems", &SchemaReader::ReadUnique},
            {"$ref", &SchemaReader::ReadReference},
        };
    // What refers to places within another document stands there, too.
    if (&source != &document_ && source.contains("$id")) {
      return Bad("$id: only the whole schema may have one");
    }
    for (const auto& [word, value] : source.items()) {
      const auto reader = kReaders->find(word);
      if (reader != kReaders->end()) {
        SY_RETURN_IF_ERROR(Annotate((this->*reader->second)(word, value), word));
      } else if (std::find(std::begin(kIgnored), std::end(kIgnored), word) == std::end(kIgnored) &&
                 !word.starts_with("x-")) {
        return Bad(fmt::format("the word '{}' is not supported", word));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadType(std::string_view, const Json& value) {
    if (!value.is_array()) {
      SY_ASSIGN_OR_RETURN(node_.types, TypeOf(value));
      return absl::OkStatus();
    }
    node_.types = 0;
    for (const Json& one : value) {
      SY_ASSIGN_OR_RETURN(const uint8_t type, TypeOf(one));
      node_.types |= type;
    }
    return node_.types == 0 ? Bad("has no type in it") : absl::OkStatus();
  }

  static absl::StatusOr<uint8_t> TypeOf(const Json& name) {
    static constexpr std::pair<std::string_view, uint8_t> kTypes[] = {
        {"null", kNull},     {"boolean", kBoolean}, {"integer", kInteger},
        {"string", kString}, {"array", kArray},     {"number", kInteger | kFraction},
        {"object", kObject}};
    for (const auto& [type, bits] : kTypes) {
      if (name == type) return bits;
    }
    return Bad(fmt::format("there is no type {}", name.dump()));
  }

  absl::Status AddValues(std::vector<Json> values) {
    ValueList& list = node_.values.emplace_back();
    list.values = std::move(values);
    for (const Json& value : list.values) {
      if (!IsKept(value)) return Bad("a number is larger than 64 bits hold exactly");
      list.texts.insert(CanonicalText(value));
    }
    return absl::OkStatus();
  }

  absl::Status ReadConst(std::string_view, const Json& value) {
    return AddValues(std::vector<Json>{value});
  }

  absl::Status ReadEnum(std::string_view, const Json& value) {
    if (!value.is_array() || value.empty()) return Bad("needs a list of values");
    return AddValues({value.begin(), value.end()});
  }

  absl::Status ReadBound(std::string_view word, const Json& value) {
    if (!value.is_number()) return Bad("needs a number");
    const NumberWords::Bound bound = {Decimal::Of(value), word.starts_with("exclusive")};
    word.ends_with("inimum") ? node_.number.RaiseMin(bound) : node_.number.LowerMax(bound);
    return absl::OkStatus();
  }

  absl::Status ReadMultiple(std::string_view, const Json& value) {
    if (!value.is_number()) return Bad("needs a number");
    return node_.number.AddMultiple(Decimal::Of(value));
  }

  absl::Status ReadCount(std::string_view word, const Json& value) {
    const bool is_max = word.starts_with("max");
    if (!value.is_number() || value.get<double>() < 0 || !Decimal::Of(value).is_whole()) {
      return Bad("needs a whole number that is not negative");
    }
    // What is larger than any text is no limit, or one that nothing satisfies.
    const auto count = static_cast<uint32_t>(std::min(value.get<double>(), kNoLimit - 1.0));
    uint32_t* const counts[] = {&node_.min_length, &node_.max_length,     &node_.min_items,
                                &node_.max_items,  &node_.min_properties, &node_.max_properties};
    const size_t at = (word.ends_with("Length") ? 0 : word.ends_with("Items") ? 2 : 4) + is_max;
    *counts[at] = count;
    return absl::OkStatus();
  }

  absl::Status ReadPatternOrFormat(std::string_view word, const Json& value) {
    if (!value.is_string()) return Bad("needs a string");
    const auto& text = value.get_ref<const std::string&>();
    auto pattern = word == "pattern" ? ReadPattern(text, budget_) : ReadFormat(text, budget_);
    if (!pattern.ok()) return pattern.status();
    node_.patterns.push_back(*std::move(pattern));
    return absl::OkStatus();
  }

  absl::Status ReadList(std::string_view word, const Json& value) {
    if (!value.is_array() || value.empty()) return Bad("needs a list of schemas");
    std::vector<SchemaId>& list = word == "prefixItems" ? node_.prefix_items
                                  : word == "allOf"     ? node_.all_of
                                  : word == "anyOf"     ? node_.any_of
                                                        : node_.one_of;
    for (size_t i = 0; i < value.size(); ++i) {
      list.push_back(FindIn(word, std::to_string(i), value[i]));
    }
    return absl::OkStatus();
  }

  absl::Status ReadItems(std::string_view word, const Json& value) {
    if (value.is_array()) return Bad("a list of schemas is prefixItems since draft 2020-12");
    node_.items = FindIn(word, value);
    return absl::OkStatus();
  }

  absl::Status ReadProperties(std::string_view word, const Json& value) {
    if (!value.is_object()) return Bad("needs an object");
    for (const auto& [name, schema] : value.items()) {
      node_.properties.emplace_back(name, FindIn(word, name, schema));
    }
    return absl::OkStatus();
  }

  absl::Status ReadPatternProperties(std::string_view word, const Json& value) {
    if (!value.is_object()) return Bad("needs an object");
    for (const auto& [pattern, schema] : value.items()) {
      SY_ASSIGN_OR_RETURN(StringPattern name, ReadPattern(pattern, budget_));
      node_.pattern_properties.push_back({std::move(name), FindIn(word, pattern, schema)});
    }
    return absl::OkStatus();
  }

  absl::Status ReadAdditional(std::string_view word, const Json& value) {
    node_.additional_properties = FindIn(word, value);
    return absl::OkStatus();
  }

  absl::Status ReadRequired(std::string_view, const Json& value) {
    if (!value.is_array()) return Bad("needs a list of names");
    for (const Json& name : value) {
      if (!name.is_string()) return Bad("needs a list of names");
      node_.required.push_back(name.get<std::string>());
    }
    return absl::OkStatus();
  }

  absl::Status ReadUnique(std::string_view, const Json& value) {
    return value == false ? absl::OkStatus() : Bad("is not supported");
  }

  absl::Status ReadReference(std::string_view, const Json& value) {
    if (!value.is_string()) return Bad("needs a string");
    const std::string pointer = PercentDecoded(value.get_ref<const std::string&>());
    if (pointer != "#" && !pointer.starts_with("#/")) {
      return Bad(fmt::format("'{}' is not in this schema: '#/...' is supported", pointer));
    }
    const Json* target = &document_;
    for (size_t at = 1; at < pointer.size();) {
      const size_t end = std::min(pointer.find('/', at + 1), pointer.size());
      target = Below(*target, pointer.substr(at + 1, end - at - 1));
      if (!budget_.Spend(1)) return budget_.Check();
      if (target == nullptr) return Bad(fmt::format("there is no '{}'", pointer));
      at = end;
    }
    node_.all_of.push_back(Find(*target, pointer));
    return absl::OkStatus();
  }

  // %HH of a URI as the bytes that it means.
  static std::string PercentDecoded(std::string_view fragment) {
    std::string text;
    for (size_t i = 0; i < fragment.size(); ++i) {
      const auto is_hex = [&](size_t at) {
        return at < fragment.size() && std::isxdigit(static_cast<unsigned char>(fragment[at])) != 0;
      };
      if (fragment[i] == '%' && is_hex(i + 1) && is_hex(i + 2)) {
        text += static_cast<char>(
            std::strtol(std::string(fragment.substr(i + 1, 2)).c_str(), nullptr, 16));
        i += 2;
      } else {
        text += fragment[i];
      }
    }
    return text;
  }

  // One step of a JSON pointer; null if there is nothing.
  const Json* Below(const Json& value, std::string_view part) {
    std::string name;
    for (size_t i = 0; i < part.size(); ++i) {
      const std::string_view rest = part.substr(i);
      if (rest.starts_with("~0") || rest.starts_with("~1")) {
        name += part[++i] == '0' ? '~' : '/';
      } else {
        name += part[i];
      }
    }
    if (value.is_object()) return Member(value, name);
    const bool is_index =
        !name.empty() && name.size() < 8 && name.find_first_not_of("0123456789") == name.npos;
    if (!value.is_array() || !is_index) return nullptr;
    const size_t index = std::stoul(name);
    return index < value.size() ? &value[index] : nullptr;
  }

  // Null if there is none. An object searches all its members; a schema may refer to as many.
  const Json* Member(const Json& object, const std::string& name) {
    const auto [at, is_new] = members_.try_emplace(&object);
    if (is_new) {
      for (const auto& [key, value] : object.items()) at->second.emplace(key, &value);
    }
    const auto member = at->second.find(name);
    return member == at->second.end() ? nullptr : member->second;
  }

  // No schema holds only if it holds.
  absl::Status CheckReferences() {
    enum class Mark : uint8_t { kNew, kOpen, kDone };
    std::vector<Mark> marks(nodes_.size(), Mark::kNew);
    const auto parts_of = [this](SchemaId id) {
      std::vector<SchemaId> parts = nodes_[id].all_of;
      parts.insert(parts.end(), nodes_[id].any_of.begin(), nodes_[id].any_of.end());
      parts.insert(parts.end(), nodes_[id].one_of.begin(), nodes_[id].one_of.end());
      return parts;
    };
    std::vector<std::pair<SchemaId, std::vector<SchemaId>>> way;  // and what is not yet looked at
    for (SchemaId root = 0; root < nodes_.size(); ++root) {
      if (marks[root] != Mark::kNew) continue;
      way.emplace_back(root, parts_of(root));
      while (!way.empty()) {
        auto& [id, parts] = way.back();
        marks[id] = parts.empty() ? Mark::kDone : Mark::kOpen;
        if (parts.empty()) {
          way.pop_back();
          continue;
        }
        const SchemaId part = parts.back();
        parts.pop_back();
        if (marks[part] == Mark::kOpen || part == id) {
          return Bad(fmt::format("schema {} refers to itself, with no property or item between",
                                 nodes_[part].pointer));
        }
        if (marks[part] == Mark::kNew) way.emplace_back(part, parts_of(part));
      }
    }
    return absl::OkStatus();
  }

  const Json& document_;
  Budget& budget_;
  std::unordered_map<const Json*, SchemaId> ids_;
  std::vector<const Json*> sources_;
  std::deque<SchemaNode> nodes_;
  // Of objects that references go through.
  std::unordered_map<const Json*, std::unordered_map<std::string, const Json*>> members_;
  SchemaNode node_;  // the one that is being read
};

}  // namespace

absl::StatusOr<std::vector<SchemaNode>> ReadSchema(const Json& document, Budget& budget) {
  return SchemaReader(document, budget).Read();
}

}  // namespace switchyard::text::grammar
