// Fields of a JSON object with their path in the file: what a reader needs to say where a fault is.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JSON_FIELD_H_
#define SWITCHYARD_COORDINATOR_TEXT_JSON_FIELD_H_

#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::text {

// A value and where it stands ("model.merges[3]"; "" is the root). Only a view: the JSON must
// outlive it.
class JsonField {
 public:
  JsonField(const Json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  const Json& value() const { return *value_; }
  const std::string& path() const { return path_; }

  // A missing member reads as null.
  JsonField Member(std::string_view key) const {
    static const Json kNull;
    std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    if (!value_->is_object()) return {kNull, std::move(path)};
    const auto found = value_->find(key);
    return {found == value_->end() ? kNull : *found, std::move(path)};
  }
  // REQUIRES: an array with more than `index` elements.
  JsonField Element(size_t index) const {
    return {(*value_)[index], fmt::format("{}[{}]", path_, index)};
  }

  bool IsNull() const { return value_->is_null(); }

  absl::Status Expect(bool is_so, std::string_view what) const {
    if (is_so) return absl::OkStatus();
    return Invalid(fmt::format("expected {}, found {}", what, value_->type_name()));
  }
  absl::StatusOr<std::string> AsString() const {
    SY_RETURN_IF_ERROR(Expect(value_->is_string(), "a string"));
    return value_->get<std::string>();
  }
  // `when_null` stands for a missing or null field.
  absl::StatusOr<bool> AsBool(bool when_null) const {
    if (IsNull()) return when_null;
    SY_RETURN_IF_ERROR(Expect(value_->is_boolean(), "true or false"));
    return value_->get<bool>();
  }

  absl::Status Invalid(std::string_view reason) const {
    return absl::InvalidArgumentError(fmt::format("{}: {}", path_, reason));
  }
  absl::Status Unsupported(std::string_view reason) const {
    return absl::UnimplementedError(fmt::format("{}: {}", path_, reason));
  }

 private:
  const Json* value_;
  std::string path_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_JSON_FIELD_H_
