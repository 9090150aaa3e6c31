// DeepSeek-V2, V2.5 and V2-Lite: latent attention as V3 has it, experts by a softmax over all of
// them (MODEL_SPECS 2).
#include <fmt/format.h>

#include "coordinator/core/plan/families/deepseek_common.h"
#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {
namespace {

v1::MoeSpec ParseMoe(FieldReader& config, int32_t num_layers) {
  v1::MoeSpec moe = ParseSharedMoe(config, num_layers);
  moe.set_softmax_scores(true);
  const std::string method = config.Text("topk_method", "greedy");
  if (method == "group_limited_greedy") {
    ParseExpertGroups(config, moe);
  } else if (method != "greedy") {
    config.faults().Unsupported(
        fmt::format("{}: not supported, only greedy and group_limited_greedy are",
                    config.Describe("topk_method")));
  }
  config.RequireText("scoring_func", "softmax");
  if (config.Bool("norm_topk_prob", false)) {
    config.faults().Unsupported(
        "norm_topk_prob = true: not supported, no published model has it and readers of it differ");
  }
  CheckGate(moe, config);
  return moe;
}

}  // namespace

v1::ModelSpec ParseDeepseekV2(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec);
  ParseRope(config, /*default_theta=*/{}, spec);
  *spec.mutable_mla() = ParseMla(config);
  *spec.mutable_moe() = ParseMoe(config, spec.num_layers());
  return spec;
}

}  // namespace switchyard::core
