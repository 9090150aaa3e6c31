#include "coordinator/gateway/json_fields.h"

#include <cmath>
#include <limits>

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {
namespace {

absl::Status WrongType(const std::string& path, std::string_view expected, const Json& value) {
  return ParamError(path, fmt::format("'{}' must be {}, not {}", path, expected,
                                      value.is_number() ? value.dump() : value.type_name()));
}

absl::Status OutOfRange(const std::string& path, const std::string& value) {
  return ParamError(path, fmt::format("'{}' is out of range: {}", path, value));
}

// Whether it is an integer as JSON Schema has it: 3.0 is one, and 1e300.
bool IsInteger(const Json& value) {
  if (!value.is_number_float()) return value.is_number_integer();
  const double number = value.get<double>();
  return std::isfinite(number) && number == std::trunc(number);
}

// Whether `value` is an integer that fits 32 bits.
bool IsInt32(const Json& value) {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  if (!IsInteger(value)) return false;
  if (value.is_number_float()) return value.get<double>() >= kMin && value.get<double>() <= kMax;
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= uint64_t{kMax};
  return value.get<int64_t>() >= kMin;  // negative here
}

}  // namespace

std::string RequestFields::PathOf(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const Json* RequestFields::Find(std::string_view name) const {
  // Bodies have few fields, and an ordered object looks for one as this does.
  size_t index = 0;
  for (const auto& [key, value] : object_.get_ref<const Json::object_t&>()) {
    if (key == name) {
      read_.resize(object_.size());
      read_[index] = true;
      return value.is_null() ? nullptr : &value;
    }
    ++index;
  }
  return nullptr;
}

std::vector<std::string> RequestFields::Unread() const {
  std::vector<std::string> names;
  size_t index = 0;
  for (const auto& [key, value] : object_.get_ref<const Json::object_t&>()) {
    const bool read = index < read_.size() && read_[index];
    if (!read && !value.is_null()) names.push_back(PathOf(key));
    ++index;
  }
  names.insert(names.end(), ignored_.begin(), ignored_.end());
  return names;
}

void RequestFields::IgnoreUnread(const RequestFields& within) const {
  for (std::string& path : within.Unread()) Ignore(std::move(path));
}

const Json* FindField(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

const Json* FindString(const Json& value, const char* name) {
  const Json* field = value.is_object() ? FindField(value, name) : nullptr;
  return field != nullptr && field->is_string() ? field : nullptr;
}

absl::StatusOr<Json> ParseObject(std::string_view body) {
  SY_ASSIGN_OR_RETURN(Json object, ParseJson(body));
  if (object.is_object()) return object;
  return absl::InvalidArgumentError("the request body must be a JSON object");
}

absl::Status ReadString(const RequestFields& object, const char* name, std::string* out) {
  const Json* value = FindField(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return WrongType(object.PathOf(name), "a string", *value);
  *out = value->get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadBool(const RequestFields& object, const char* name, bool* out) {
  const Json* value = FindField(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_boolean()) return WrongType(object.PathOf(name), "true or false", *value);
  *out = value->get<bool>();
  return absl::OkStatus();
}

absl::Status ReadObject(const RequestFields& object, const char* name, const Json** out) {
  const Json* value = FindField(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_object()) return WrongType(object.PathOf(name), "an object", *value);
  *out = value;
  return absl::OkStatus();
}

absl::Status ReadFloat(const RequestFields& object, const char* name, std::optional<float>* out) {
  const Json* value = FindField(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_number()) return WrongType(object.PathOf(name), "a number", *value);
  const double number = value->get<double>();
  constexpr double kMax = std::numeric_limits<float>::max();
  if (number > kMax || number < -kMax) {
    return OutOfRange(object.PathOf(name), fmt::format("{}", number));
  }
  *out = static_cast<float>(number);
  return absl::OkStatus();
}

absl::Status ReadInt32(const RequestFields& object, const char* name, std::optional<int32_t>* out) {
  const Json* value = FindField(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!IsInteger(*value)) return WrongType(object.PathOf(name), "an integer", *value);
  if (!IsInt32(*value)) return OutOfRange(object.PathOf(name), value->dump());
  *out = value->get<int32_t>();
  return absl::OkStatus();
}

absl::Status ReadUint64(const RequestFields& object, const char* name,
                        std::optional<uint64_t>* out) {
  const Json* value = FindField(object, name);
  if (value == nullptr) return absl::OkStatus();
  const auto is_64_bits = [](double number) { return number >= -0x1p63 && number < 0x1p64; };
  if (!IsInteger(*value) || (value->is_number_float() && !is_64_bits(value->get<double>()))) {
    return WrongType(object.PathOf(name), "an integer of 64 bits", *value);
  }
  const bool is_negative = *value < 0;
  *out = is_negative ? static_cast<uint64_t>(value->get<int64_t>()) : value->get<uint64_t>();
  return absl::OkStatus();
}

absl::Status CheckCount(const Json& list, size_t most, std::string_view name) {
  if (list.size() <= most) return absl::OkStatus();
  return ParamError(name, fmt::format("'{}' has {} entries; at most {} go in one request", name,
                                      list.size(), most));
}

absl::Status ReadInt32Array(const Json& array, const char* name, std::vector<int32_t>* out) {
  out->reserve(array.size());
  for (const Json& item : array) {
    if (!IsInt32(item)) {
      return ParamError(name, fmt::format("'{}[{}]' must be a token id, not {}", name, out->size(),
                                          item.is_number() ? item.dump() : item.type_name()));
    }
    out->push_back(item.get<int32_t>());
  }
  return absl::OkStatus();
}

}  // namespace switchyard::gateway
