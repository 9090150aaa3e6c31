// generation_config.json of a Hugging Face checkpoint: how its makers sample, and which tokens end
// an answer.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_GENERATION_CONFIG_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_GENERATION_CONFIG_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::core {

// Defaults of requests that say nothing themselves. The values here are the engine's own, for a
// model without the file.
struct GenerationConfig {
  // False: the makers decode greedily, the sampling fields below are moot.
  bool do_sample = true;
  double temperature = 1;
  double top_p = 1;               // in (0, 1]; 1 keeps all
  int32_t top_k = 0;              // 0 keeps all
  double min_p = 0;               // 0 keeps all
  double repetition_penalty = 1;  // in (0, 10]; 1: none
  std::vector<int32_t> eos_token_ids;
};

// Absent and null fields keep the defaults above. `eos_token_id` may be a number or a list.
// config.json spells that field alike: for a checkpoint without generation_config.json, hand in its
// config.json. INVALID_ARGUMENT with all faults at once, each with `file_name`, field, value and
// what is allowed.
absl::StatusOr<GenerationConfig> ParseGenerationConfig(
    std::string_view json_text, std::string_view file_name = "generation_config.json");

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_GENERATION_CONFIG_H_
