// config.json of a Hugging Face checkpoint -> ModelSpec. The one place that knows how published
// configs spell things; the planner and the workers read the spec. A new key: here and in
// proto/model.proto.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_HF_CONFIG_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_HF_CONFIG_H_

#include <span>
#include <string_view>

#include "base/status.h"
#include "proto/model.pb.h"

namespace switchyard::core {

class FieldReader;

// The model that `config_json` describes, every number checked: a returned spec can size things.
// `file_name` names the text in messages; a message lists all faults at once, each with field,
// value and what is allowed.
//
// UNIMPLEMENTED: an unknown model_type, quantisation, or another variant that nothing here
// computes. INVALID_ARGUMENT: malformed JSON, missing fields, wrong types, numbers out of range or
// at odds with each other.
//
// Known model types: those of KnownFamilies. Fields of training and of the transformers library are
// ignored. The storage type of a single tensor is read from the checkpoint, not from here (a config
// marks a whole model as FP8; norms and heads are not).
absl::StatusOr<v1::ModelSpec> ParseHfConfig(std::string_view config_json,
                                            std::string_view file_name = "config.json");

// One model_type, as a person asks about it.
struct ModelFamily {
  std::string_view model_type;
  std::string_view models;     // by their makers' names
  std::string_view attention;  // its kind, and what configs may say of it
  std::string_view mlp;        // dense, or how experts are chosen
  v1::ModelSpec (*parse)(FieldReader& config);
};
// In the order of their model_type.
std::span<const ModelFamily> KnownFamilies();

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_HF_CONFIG_H_
