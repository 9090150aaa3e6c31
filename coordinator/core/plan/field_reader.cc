#include "coordinator/core/plan/field_reader.h"

#include <fmt/ranges.h>

#include <cmath>
#include <utility>

#include "base/check.h"

namespace switchyard::core {

void Faults::Invalid(std::string fault) {
  any_invalid_ = true;
  faults_.push_back(std::move(fault));
}

void Faults::Unsupported(std::string fault) { faults_.push_back(std::move(fault)); }

absl::Status Faults::ToStatus(std::string_view file_name) const {
  if (faults_.empty()) return absl::OkStatus();
  const auto code =
      any_invalid_ ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kUnimplemented;
  return absl::Status(code, fmt::format("{}: {}", file_name, fmt::join(faults_, "; ")));
}

FieldReader::FieldReader(const Json& object, std::string prefix, Faults& faults)
    : object_(object), prefix_(std::move(prefix)), faults_(faults) {
  SY_CHECK(object.is_object());
}

const Json* FieldReader::Find(std::string_view name) const {
  const auto it = object_.find(std::string(name));
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

int32_t FieldReader::Int(std::string_view name, IntRange allowed, std::optional<int32_t> fallback) {
  const Json* value = Find(name);
  if (value == nullptr && fallback) return *fallback;
  // An unsigned JSON number above int64's end would turn negative when read as one.
  const bool is_int64 =
      value != nullptr && value->is_number_integer() &&
      !(value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX});
  if (is_int64) {
    const int64_t number = value->get<int64_t>();
    if (number >= allowed.min && number <= allowed.max) return static_cast<int32_t>(number);
  }
  faults_.Invalid(fmt::format("{}: must be an integer from {} to {}", Describe(name), allowed.min,
                              allowed.max));
  return static_cast<int32_t>(allowed.min);
}

double FieldReader::Real(std::string_view name, RealRange allowed, std::optional<double> fallback) {
  const Json* value = Find(name);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_number()) {
    const double number = value->get<double>();
    const bool high_enough = allowed.above_min ? number > allowed.min : number >= allowed.min;
    if (high_enough && number <= allowed.max) return number;
  }
  faults_.Invalid(fmt::format("{}: must be a number {} {} {} {}", Describe(name),
                              allowed.above_min ? "above" : "from", allowed.min,
                              allowed.above_min ? "and at most" : "to", allowed.max));
  return allowed.above_min ? allowed.max : allowed.min;
}

bool FieldReader::Bool(std::string_view name, bool fallback) {
  const Json* value = Find(name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  faults_.Invalid(fmt::format("{}: must be true or false", Describe(name)));
  return fallback;
}

std::string FieldReader::Text(std::string_view name, std::string_view fallback) {
  const Json* value = Find(name);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  faults_.Invalid(fmt::format("{}: must be a text", Describe(name)));
  return std::string(fallback);
}

void FieldReader::RequireText(std::string_view name, std::string_view only) {
  if (Text(name, only) != only) {
    faults_.Unsupported(fmt::format("{}: not supported, only \"{}\" is", Describe(name), only));
  }
}

std::string FieldReader::Describe(std::string_view name) const {
  constexpr size_t kMaxShown = 60;
  const auto it = object_.find(std::string(name));
  if (it == object_.end()) return fmt::format("{}{} is missing", prefix_, name);
  std::string shown = it->dump();
  if (shown.size() > kMaxShown) shown = shown.substr(0, kMaxShown) + "...";
  return fmt::format("{}{} = {}", prefix_, name, shown);
}

}  // namespace switchyard::core
