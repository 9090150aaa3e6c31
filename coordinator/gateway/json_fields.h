// Reading checked fields out of a JSON object that came from outside. An absent field and null are
// the same: `out` stays as it is. Every error is INVALID_ARGUMENT and names the field as its param.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_JSON_FIELDS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_JSON_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::gateway {

// The field's value; null if it is absent or null. REQUIRES: object.is_object().
const Json* FindField(const Json& object, const char* name);

absl::Status ReadString(const Json& object, const char* name, std::string* out);
absl::Status ReadBool(const Json& object, const char* name, bool* out);
absl::Status ReadFloat(const Json& object, const char* name, std::optional<float>* out);
// An integer that fits 32 bits.
absl::Status ReadInt32(const Json& object, const char* name, std::optional<int32_t>* out);
// Any integer of 64 bits; a negative one wraps around.
absl::Status ReadUint64(const Json& object, const char* name, std::optional<uint64_t>* out);
// An array of 32-bit integers; `name` is only the param of errors.
absl::Status ReadInt32Array(const Json& array, const char* name, std::vector<int32_t>* out);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_JSON_FIELDS_H_
