// What a GGUF file says of its model, in the words of config.json: hf_config parses the result and
// holds every number against its bounds. The keys are llama.cpp's
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and gguf-py's constants).
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_GGUF_CONFIG_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_GGUF_CONFIG_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/gguf.h"
#include "base/json.h"
#include "base/status.h"

namespace switchyard::core {

// The tensor that divides the angles of the rope, an element for each pair, where a file has it.
inline constexpr std::string_view kRopeDivisorsTensor = "rope_freqs.weight";

// `rope_divisors`: the elements of that tensor, or nothing. `file_name` is for messages.
// INVALID_ARGUMENT: missing keys, all at once, or keys of a wrong type. UNIMPLEMENTED: an unknown
// `general.architecture`, with the list of those that are read, or what none of them has.
absl::StatusOr<Json> GgufConfig(const GgufHeader& header, std::span<const float> rope_divisors,
                                std::string_view file_name);

// The values of `general.architecture` that are read.
std::span<const std::string_view> GgufArchitectures();

// Tokens that end an answer: those that the metadata name, and those that chat models' files leave
// to their spelling ("<|im_end|>"). Ascending, each once.
std::vector<int32_t> GgufEndTokens(const Json& metadata);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_GGUF_CONFIG_H_
