// What the config.json of every family has alike: the sizes of a decoder, the rotary embedding,
// quantisation and storage type. Used by the families (plan/families), which hf_config chooses
// from.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_HF_COMMON_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_HF_COMMON_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "coordinator/core/plan/field_reader.h"
#include "proto/model.pb.h"

namespace switchyard::core {

// Far above any published model, and low enough that products of two of these fit 63 bits.
inline constexpr IntRange kVocabRange{1, 1 << 24};
inline constexpr IntRange kHiddenRange{1, 1 << 20};
inline constexpr IntRange kWidthRange{1, 1 << 22};
inline constexpr IntRange kLayersRange{1, 4096};
inline constexpr IntRange kHeadsRange{1, 65536};
inline constexpr IntRange kHeadDimRange{1, 4096};
inline constexpr IntRange kRankRange{1, 1 << 16};
inline constexpr IntRange kExpertsRange{1, 16384};
inline constexpr IntRange kContextRange{1, 1 << 24};

// What a family's configs spell in a way of their own.
struct Dialect {
  // The field of the function in MLPs, and the only one that the family has.
  std::string_view activation_field = "hidden_act";
  std::string_view activation = "silu";
  // Experts may be in MXFP4: whether they are, `quantization_config` says.
  bool may_be_mxfp4 = false;
};

// Vocabulary, widths, layers, heads, norms, context, tied embeddings, quantisation and storage type
// (`torch_dtype`, or `dtype` in files of transformers 5).
void ParseDecoder(FieldReader& config, v1::ModelSpec& spec, const Dialect& dialect = {});

// The object under `name`, or nullptr if absent, null or (a fault) something else.
const Json* FindObject(FieldReader& config, std::string_view name);

// An object as transformers 5 saves it: `rope_theta`, and the kind of scaling beside it. REQUIRES:
// ParseDecoder went before.
v1::RopeSpec ParseRopeObject(FieldReader& rope, double default_theta, v1::ModelSpec& spec);

// `rope_theta` and `rope_scaling` as published; `rope_parameters`, which holds both, as
// transformers 5 saves them. The kind of scaling is spelled `rope_type` or, in older files, `type`.
// Fills spec.rope. The kind "dynamic" shortens the longest sequence to what it leaves unchanged.
// REQUIRES: ParseDecoder went before.
void ParseRope(FieldReader& config, std::optional<double> default_theta, v1::ModelSpec& spec);

// Heads alone: biases and windows are each family's own. `partial_rotary_factor`: what a config
// that is silent means; other families rotate whole heads. REQUIRES: ParseDecoder went before.
v1::GqaSpec ParseGqa(FieldReader& config, const v1::ModelSpec& spec,
                     std::optional<double> partial_rotary_factor = {});

// Experts in every layer, chosen by a softmax over all of them, without shared ones. The width of
// an expert is the family's.
v1::MoeSpec ParseSoftmaxMoe(FieldReader& config, int32_t num_experts, bool normalize);

// Which layers have a window: by `layer_types` where the config has it, else as `fallback`, which
// has an entry for each layer.
std::vector<bool> ParseLayerTypes(FieldReader& config, std::vector<bool> fallback);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_HF_COMMON_H_
