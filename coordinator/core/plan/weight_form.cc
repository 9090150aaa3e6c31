#include "coordinator/core/plan/weight_form.h"

namespace switchyard::core {

absl::StatusOr<v1::WeightForm> ParseWeightForm(std::string_view name) {
  if (name == "stored") return v1::WEIGHT_FORM_STORED;
  if (name == "q8") return v1::WEIGHT_FORM_Q8;
  if (name == "q4") return v1::WEIGHT_FORM_Q4;
  return absl::InvalidArgumentError(
      fmt::format("--weights is \"{}\"; it must be stored, q8 or q4", name));
}

std::string_view WeightFormName(v1::WeightForm form) {
  switch (form) {
    case v1::WEIGHT_FORM_Q8:
      return "q8";
    case v1::WEIGHT_FORM_Q4:
      return "q4";
    default:
      return "stored";
  }
}

std::string_view DescribeWeights(const v1::ModelSpec& model, v1::WeightForm form) {
  if (form != v1::WEIGHT_FORM_STORED) return WeightFormName(form);
  if (!model.gguf_type().empty()) return model.gguf_type();
  if (model.has_fp8()) return "fp8";
  if (model.has_groups()) {
    return model.groups().layout() == v1::GroupQuantization::LAYOUT_AWQ ? "awq" : "gptq";
  }
  if (model.moe().mxfp4()) return "mxfp4";  // of experts
  switch (model.dtype()) {
    case v1::DATA_TYPE_F32:
      return "f32";
    case v1::DATA_TYPE_F16:
      return "f16";
    default:
      return "bf16";
  }
}

}  // namespace switchyard::core
