// Qwen2, Qwen2.5 and QwQ (MODEL_SPECS 5).
#include <utility>
#include <vector>

#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {
namespace {

// The config names a window even where `use_sliding_window` switches it off.
void ParseWindows(FieldReader& config, v1::ModelSpec& spec) {
  if (!config.Bool("use_sliding_window", false)) return;
  if (config.Declares("sliding_window") && !config.Has("sliding_window")) return;
  const int32_t window = config.Int("sliding_window", kContextRange, 4096);
  const int32_t first = config.Int("max_window_layers", {0, kLayersRange.max}, 28);
  std::vector<bool> windowed;
  for (int layer = 0; layer < spec.num_layers(); ++layer) windowed.push_back(layer >= first);
  for (const bool has_window : ParseLayerTypes(config, std::move(windowed))) {
    spec.mutable_gqa()->add_windows(has_window ? window : 0);
  }
}

}  // namespace

v1::ModelSpec ParseQwen2(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec);
  ParseRope(config, /*default_theta=*/10000, spec);
  *spec.mutable_gqa() = ParseGqa(config, spec);
  spec.mutable_gqa()->set_qkv_bias(true);
  ParseWindows(config, spec);
  return spec;
}

}  // namespace switchyard::core
