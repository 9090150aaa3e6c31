#include "worker/models/model_registry.h"

#include <string>

#include "worker/models/deepseek_v3.h"

namespace switchyard::worker {
namespace {

using Maker = std::unique_ptr<Model> (*)(const v1::ShardPlan&, const ParallelContext&,
                                         kernels::Device&);

template <typename T>
std::unique_ptr<Model> Make(const v1::ShardPlan& plan, const ParallelContext& parallel,
                            kernels::Device& device) {
  return std::make_unique<T>(plan, parallel, device);
}

constexpr struct {
  const char* model_type;
  Maker make;
} kModels[] = {
    {"deepseek_v2", Make<Decoder>}, {"deepseek_v3", Make<DeepseekV3>}, {"gemma3", Make<Decoder>},
    {"gemma3_text", Make<Decoder>}, {"glm4_moe", Make<DeepseekV3>},    {"gpt_oss", Make<Decoder>},
    {"kimi_k2", Make<DeepseekV3>},  {"llama", Make<Decoder>},          {"mixtral", Make<Decoder>},
    {"qwen2", Make<Decoder>},       {"qwen3_moe", Make<Decoder>},
};

// Whether the tensor group can share the model's heads: the worker's half of a check in pairs
// (coordinator/core/plan/topology).
absl::Status CheckHeads(const v1::ModelSpec& model, int tensor_parallel) {
  if (model.attention_case() == v1::ModelSpec::ATTENTION_NOT_SET) {
    return absl::InvalidArgumentError("model: names no kind of attention");
  }
  const int kv_heads = model.has_gqa() ? model.gqa().num_kv_heads() : tensor_parallel;
  const bool splits = kv_heads > 0 && model.num_heads() % kv_heads == 0 &&
                      (kv_heads % tensor_parallel == 0 || tensor_parallel % kv_heads == 0);
  if (model.num_heads() % tensor_parallel == 0 && (!model.has_gqa() || splits)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("model: {} heads with {} key-value heads cannot be shared by {} tensor ranks",
                  model.num_heads(), kv_heads, tensor_parallel));
}

}  // namespace

std::vector<std::string_view> ServedModelTypes() {
  std::vector<std::string_view> types;
  for (const auto& [model_type, make] : kModels) types.emplace_back(model_type);
  return types;
}

absl::StatusOr<std::unique_ptr<Model>> MakeModel(const v1::ShardPlan& plan,
                                                 const ParallelContext& parallel,
                                                 kernels::Device& device) {
  SY_RETURN_IF_ERROR(CheckHeads(plan.model(), parallel.tensor_parallel()));
  std::string known;
  for (const auto& [model_type, make] : kModels) {
    if (plan.model().model_type() == model_type) return make(plan, parallel, device);
    known += known.empty() ? model_type : std::string(", ") + model_type;
  }
  return absl::UnimplementedError(fmt::format("model_type \"{}\" is not served; served are: {}",
                                              plan.model().model_type(), known));
}

}  // namespace switchyard::worker
