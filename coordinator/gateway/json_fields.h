// Reading checked fields out of a JSON object that came from outside. An absent field and null are
// the same: `out` stays as it is. Every error is INVALID_ARGUMENT and names the field as its param,
// by its whole path.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_JSON_FIELDS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_JSON_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::gateway {

// An object that remembers which of its fields were asked for. The others are unknown to whoever
// read it: there is no list of known names that could say otherwise than the code. One thread.
class RequestFields {
 public:
  // Implicit: the functions below read a plain object as well. `object` outlives this. `path` is
  // where it stands in the request's body ("tools[0].function"). REQUIRES: object.is_object().
  RequestFields(const Json& object, std::string path = "")  // NOLINT
      : object_(object), path_(std::move(path)) {}

  // Of a field, in the body.
  std::string PathOf(std::string_view name) const;
  // As FindField.
  const Json* Find(std::string_view name) const;
  // A field, by its path, was read and changes nothing.
  void Ignore(std::string path) const { ignored_.push_back(std::move(path)); }
  // The same of what nobody has asked for in an object within this one.
  void IgnoreUnread(const RequestFields& within) const;
  // The paths of fields that nobody has asked for and that are not null, in the object's order;
  // behind them those that are ignored.
  std::vector<std::string> Unread() const;

 private:
  const Json& object_;
  const std::string path_;          // empty: it is the body
  mutable std::vector<bool> read_;  // by field; empty: none
  mutable std::vector<std::string> ignored_;
};

// The field's value; null if it is absent or null. REQUIRES: object.is_object().
const Json* FindField(const Json& object, const char* name);
inline const Json* FindField(const RequestFields& object, const char* name) {
  return object.Find(name);
}

// The field's text; null if `value` is no object, or the field no text.
const Json* FindString(const Json& value, const char* name);

// A request's body. INVALID_ARGUMENT, without a param, unless it is an object.
absl::StatusOr<Json> ParseObject(std::string_view body);

absl::Status ReadString(const RequestFields& object, const char* name, std::string* out);
absl::Status ReadBool(const RequestFields& object, const char* name, bool* out);
// `out` points into `object`.
absl::Status ReadObject(const RequestFields& object, const char* name, const Json** out);
absl::Status ReadFloat(const RequestFields& object, const char* name, std::optional<float>* out);
// An integer that fits 32 bits. Integers are also what is written 3.0, here and below.
absl::Status ReadInt32(const RequestFields& object, const char* name, std::optional<int32_t>* out);
// Any integer of 64 bits; a negative one wraps around.
absl::Status ReadUint64(const RequestFields& object, const char* name,
                        std::optional<uint64_t>* out);
// Whether a list or an object has at most `most` entries; `name` is only the param of errors.
absl::Status CheckCount(const Json& list, size_t most, std::string_view name);
// An array of 32-bit integers; `name` is only the param of errors.
absl::Status ReadInt32Array(const Json& array, const char* name, std::vector<int32_t>* out);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_JSON_FIELDS_H_
