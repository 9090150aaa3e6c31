// What DeepSeek-V2, V3 and who took it over write alike: latent attention, and experts with shared
// ones behind a few dense layers.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_FAMILIES_DEEPSEEK_COMMON_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_FAMILIES_DEEPSEEK_COMMON_H_

#include "coordinator/core/plan/field_reader.h"
#include "proto/model.pb.h"

namespace switchyard::core {

v1::MlaSpec ParseMla(FieldReader& config);

// Numbers and widths of experts, and `moe_layer_freq`, which must be 1. How they are chosen is each
// family's own.
v1::MoeSpec ParseSharedMoe(FieldReader& config, int32_t num_layers);
// All of V3's gate: `noaux_tc` over sigmoids (MODEL_SPECS 1.4).
v1::MoeSpec ParseNoauxMoe(FieldReader& config, int32_t num_layers);
// `n_group` and `topk_group`.
void ParseExpertGroups(FieldReader& config, v1::MoeSpec& moe);
// What the gate's selection needs to be possible at all.
void CheckGate(const v1::MoeSpec& moe, FieldReader& config);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_FAMILIES_DEEPSEEK_COMMON_H_
