// How a config.json says that weights are quantised: its `quantization_config`.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_HF_QUANTIZATION_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_HF_QUANTIZATION_H_

#include "coordinator/core/plan/field_reader.h"
#include "proto/model.pb.h"

namespace switchyard::core {

// Fills spec.fp8, spec.groups, spec.moe.mxfp4 or spec.gguf_type, or leaves all unset; methods and
// numbers that are not read are faults, and so are experts in MXFP4 where the family has none.
void ParseQuantization(FieldReader& config, bool may_be_mxfp4, v1::ModelSpec& spec);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_HF_QUANTIZATION_H_
