// Reads the fields of a JSON object from outside, each checked against what is allowed, and
// collects every fault instead of stopping at the first: a person mends a file once. Used by
// hf_config and generation_config.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_FIELD_READER_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_FIELD_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::core {

// The faults of one file, in the order found.
class Faults {
 public:
  // What no engine could serve.
  void Invalid(std::string fault);
  // What is well formed, but nothing here computes.
  void Unsupported(std::string fault);

  bool empty() const { return faults_.empty(); }

  // OK without faults; else one line "FILE: fault; fault". INVALID_ARGUMENT if any fault is
  // invalid, UNIMPLEMENTED if all are unsupported.
  absl::Status ToStatus(std::string_view file_name) const;

 private:
  std::vector<std::string> faults_;
  bool any_invalid_ = false;
};

// Both ends belong to the range.
struct IntRange {
  int64_t min = 0;
  int64_t max = 0;
};
struct RealRange {
  double min = 0;
  double max = 0;
  // The smallest value itself is not allowed.
  bool above_min = false;
};

// The fields of one object. A faulty field reads as the smallest allowed value, so that checks that
// follow stay meaningful; look at Faults before using anything. A null reads like an absent field.
class FieldReader {
 public:
  // `prefix` stands before field names in messages ("rope_scaling."). REQUIRES: `object` is a JSON
  // object; both outlive this.
  FieldReader(const Json& object, std::string prefix, Faults& faults);

  const Json& object() const { return object_; }
  // The value, or nullptr if absent or null.
  const Json* Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  // Whether the field is there at all, if only as null.
  bool Declares(std::string_view name) const { return object_.contains(std::string(name)); }

  // An absent field is a fault unless a fallback is given.
  int32_t Int(std::string_view name, IntRange allowed, std::optional<int32_t> fallback = {});
  double Real(std::string_view name, RealRange allowed, std::optional<double> fallback = {});
  bool Bool(std::string_view name, bool fallback);
  std::string Text(std::string_view name, std::string_view fallback);

  // Fault (unsupported) unless the field is absent or is the text `only`.
  void RequireText(std::string_view name, std::string_view only);

  // "PREFIXname = VALUE", the value cut to a readable length; names a field in a fault.
  std::string Describe(std::string_view name) const;

  Faults& faults() { return faults_; }

 private:
  const Json& object_;
  const std::string prefix_;
  Faults& faults_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_FIELD_READER_H_
