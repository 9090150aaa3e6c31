// Llama 2 and 3, and what was distilled into them (MODEL_SPECS 7).
#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {

v1::ModelSpec ParseLlama(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec);
  ParseRope(config, /*default_theta=*/10000, spec);
  *spec.mutable_gqa() = ParseGqa(config, spec);
  const bool bias = config.Bool("attention_bias", false);
  spec.mutable_gqa()->set_qkv_bias(bias);
  spec.mutable_gqa()->set_output_bias(bias);
  spec.set_mlp_bias(config.Bool("mlp_bias", false));
  return spec;
}

}  // namespace switchyard::core
