// How a config.json says that weights are quantised: its `quantization_config`.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_HF_QUANTIZATION_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_HF_QUANTIZATION_H_

#include "coordinator/core/plan/field_reader.h"
#include "proto/model.pb.h"

namespace switchyard::core {

// Fills spec.fp8 or spec.groups, or leaves both unset; methods and numbers that are not read are
// faults.
void ParseQuantization(FieldReader& config, v1::ModelSpec& spec);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_HF_QUANTIZATION_H_
