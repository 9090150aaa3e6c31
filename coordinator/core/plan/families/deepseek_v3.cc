// DeepSeek-V3, R1 and their kin, Kimi-K2 among them (MODEL_SPECS 1.1 and 3).
#include "coordinator/core/plan/families/deepseek_common.h"
#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {

v1::ModelSpec ParseDeepseekV3(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec);
  spec.set_num_mtp_layers(config.Int("num_nextn_predict_layers", {0, 16}, 0));
  ParseRope(config, /*default_theta=*/{}, spec);
  *spec.mutable_mla() = ParseMla(config);
  // Null says that there are no experts; a missing field is more likely a broken file, and a fault
  // of ParseNoauxMoe.
  if (config.Declares("n_routed_experts") && !config.Has("n_routed_experts")) {
    spec.clear_moe();
  } else {
    *spec.mutable_moe() = ParseNoauxMoe(config, spec.num_layers());
  }
  return spec;
}

}  // namespace switchyard::core
