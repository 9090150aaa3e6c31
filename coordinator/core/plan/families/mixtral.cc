// Mixtral (MODEL_SPECS 7).
#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {

v1::ModelSpec ParseMixtral(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec);
  ParseRope(config, /*default_theta=*/1e6, spec);
  *spec.mutable_gqa() = ParseGqa(config, spec);
  if (config.Has("sliding_window")) {
    const int32_t window = config.Int("sliding_window", kContextRange);
    for (int layer = 0; layer < spec.num_layers(); ++layer) spec.mutable_gqa()->add_windows(window);
  }
  *spec.mutable_moe() = ParseSoftmaxMoe(config, config.Int("num_local_experts", kExpertsRange, 8),
                                        /*normalize=*/true);
  spec.mutable_moe()->set_intermediate_size(spec.intermediate_size());
  return spec;
}

}  // namespace switchyard::core
