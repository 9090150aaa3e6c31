// GLM-4.5, 4.6 and 4.7: grouped-query attention of which half a head is rotated, experts as
// DeepSeek-V3 has them (MODEL_SPECS 3).
#include "coordinator/core/plan/families/deepseek_common.h"
#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {

v1::ModelSpec ParseGlm4Moe(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec);
  spec.set_num_mtp_layers(config.Int("num_nextn_predict_layers", {0, 16}, 0));
  ParseRope(config, /*default_theta=*/10000, spec);
  *spec.mutable_gqa() = ParseGqa(config, spec, /*partial_rotary_factor=*/0.5);
  spec.mutable_gqa()->set_qkv_bias(config.Bool("attention_bias", false));
  spec.mutable_gqa()->set_qk_norm(config.Bool("use_qk_norm", false));
  *spec.mutable_moe() = ParseNoauxMoe(config, spec.num_layers());
  return spec;
}

}  // namespace switchyard::core
