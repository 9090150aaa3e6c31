// In which form workers keep weights, as people spell it.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_WEIGHT_FORM_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_WEIGHT_FORM_H_

#include <string_view>

#include "base/status.h"
#include "proto/model.pb.h"

namespace switchyard::core {

// "stored", "q8" or "q4"; INVALID_ARGUMENT names the flag --weights otherwise.
absl::StatusOr<v1::WeightForm> ParseWeightForm(std::string_view name);
std::string_view WeightFormName(v1::WeightForm form);

// What a served model says of its weights: "q8", or how the checkpoint stores them ("bf16", "fp8",
// "awq", of a GGUF file "Q4_K").
std::string_view DescribeWeights(const v1::ModelSpec& model, v1::WeightForm form);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_WEIGHT_FORM_H_
