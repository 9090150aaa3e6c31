#include "coordinator/text/grammar/value_check.h"

#include <algorithm>
#include <limits>
#include <map>

namespace switchyard::text::grammar {
namespace {

constexpr int kMaxDepth = 1000;  // of schemas within and behind each other

bool IsCount(uint64_t count, uint32_t min, uint32_t max) {
  return count >= min && (max == kNoLimit || count <= max);
}

}  // namespace

std::string CanonicalText(const Json& value) {
  if (value.is_number()) {
    const Decimal number = Decimal::Of(value);
    return fmt::format("{}{}.{}", number.is_negative ? "-" : "", number.whole, number.fraction);
  }
  if (value.is_array()) {
    std::string text = "[";
    for (const Json& item : value) text += CanonicalText(item) + ",";
    return text + "]";
  }
  if (!value.is_object()) return value.dump();
  std::map<std::string, const Json*> members;
  for (const auto& [name, member] : value.items()) members.emplace(name, &member);
  std::string text = "{";
  for (const auto& [name, member] : members) {
    text += Json(name).dump() + ":" + CanonicalText(*member) + ",";
  }
  return text + "}";
}

uint8_t TypeOfValue(const Json& value) {
  if (value.is_number()) return Decimal::Of(value).is_whole() ? kInteger : kFraction;
  return value.is_null()      ? kNull
         : value.is_boolean() ? kBoolean
         : value.is_string()  ? kString
         : value.is_array()   ? kArray
                              : kObject;
}

bool ValueCheck::Fits(const Json& value, SchemaId id) {
  if (depth_ >= kMaxDepth) budget_.Spend(std::numeric_limits<uint64_t>::max());
  if (!budget_.Spend(20)) return false;
  ++depth_;
  const bool fits = FitsNode(value, id);
  --depth_;
  return fits;
}

bool ValueCheck::FitsNode(const Json& value, SchemaId id) {
  const SchemaNode& node = nodes_[id];
  if ((node.types & TypeOfValue(value)) == 0) return false;
  if (!node.values.empty()) {
    const std::string text = CanonicalText(value);
    if (!budget_.Spend(text.size() / 4 + node.values.size())) return false;
    for (const ValueList& list : node.values) {
      if (list.texts.count(text) == 0) return false;
    }
  }
  if (value.is_number() && !FitsNumber(value, node)) return false;
  if (value.is_string() && !FitsString(value.get_ref<const std::string&>(), node)) return false;
  if (value.is_array() && !FitsArray(value, node)) return false;
  if (value.is_object() && !FitsObject(value, node)) return false;
  const auto fits = [&](SchemaId part) { return Fits(value, part); };
  return std::all_of(node.all_of.begin(), node.all_of.end(), fits) &&
         (node.any_of.empty() || std::any_of(node.any_of.begin(), node.any_of.end(), fits)) &&
         (node.one_of.empty() || std::count_if(node.one_of.begin(), node.one_of.end(), fits) == 1);
}

bool ValueCheck::FitsNumber(const Json& value, const SchemaNode& node) const {
  return node.number.Allows(Decimal::Of(value));
}

bool ValueCheck::FitsString(const std::string& text, const SchemaNode& node) {
  if (!budget_.Spend(text.size() / 4 * (1 + node.patterns.size()))) return false;
  const auto length =
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
  return IsCount(length, node.min_length, node.max_length) &&
         std::all_of(node.patterns.begin(), node.patterns.end(),
                     [&](const StringPattern& pattern) { return pattern.plain.Matches(text); });
}

bool ValueCheck::FitsArray(const Json& array, const SchemaNode& node) {
  if (!IsCount(array.size(), node.min_items, node.max_items)) return false;
  for (size_t i = 0; i < array.size(); ++i) {
    const bool is_prefix = i < node.prefix_items.size();
    if (is_prefix ? !Fits(array[i], node.prefix_items[i])
                  : node.items.has_value() && !Fits(array[i], *node.items)) {
      return false;
    }
  }
  return true;
}

bool ValueCheck::FitsObject(const Json& object, const SchemaNode& node) {
  const size_t num_words =
      node.properties.size() + node.pattern_properties.size() + node.required.size();
  if (!budget_.Spend(object.size() * num_words / 4)) return false;
  if (!IsCount(object.size(), node.min_properties, node.max_properties)) return false;
  for (const std::string& name : node.required) {
    if (!object.contains(name)) return false;
  }
  for (const auto& [name, value] : object.items()) {
    if (!FitsMember(name, value, node)) return false;
  }
  return true;
}

bool ValueCheck::FitsMember(const std::string& name, const Json& value, const SchemaNode& node) {
  bool is_known = false;
  for (const auto& [property, schema] : node.properties) {
    if (property != name) continue;
    is_known = true;
    if (!Fits(value, schema)) return false;
  }
  for (const auto& pattern : node.pattern_properties) {
    if (!pattern.name.plain.Matches(name)) continue;
    is_known = true;
    if (!Fits(value, pattern.schema)) return false;
  }
  return is_known || !node.additional_properties.has_value() ||
         Fits(value, *node.additional_properties);
}

}  // namespace switchyard::text::grammar
