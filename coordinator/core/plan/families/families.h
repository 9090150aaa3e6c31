// One function per model_type: what its config.json says, as a ModelSpec without `model_type`.
// Faults go to the reader's. A new family: a file here, a line in hf_config.cc, one in
// worker/models.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_FAMILIES_FAMILIES_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_FAMILIES_FAMILIES_H_

#include "coordinator/core/plan/field_reader.h"
#include "proto/model.pb.h"

namespace switchyard::core {

v1::ModelSpec ParseDeepseekV2(FieldReader& config);
v1::ModelSpec ParseDeepseekV3(FieldReader& config);
v1::ModelSpec ParseGemma3(FieldReader& config);
v1::ModelSpec ParseGemma3Text(FieldReader& config);
v1::ModelSpec ParseGlm4Moe(FieldReader& config);
v1::ModelSpec ParseGptOss(FieldReader& config);
v1::ModelSpec ParseLlama(FieldReader& config);
v1::ModelSpec ParseMixtral(FieldReader& config);
v1::ModelSpec ParseQwen2(FieldReader& config);
v1::ModelSpec ParseQwen3Moe(FieldReader& config);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_FAMILIES_FAMILIES_H_
