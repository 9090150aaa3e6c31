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
    {"deepseek_v3", Make<DeepseekV3>},
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeModel(const v1::ShardPlan& plan,
                                                 const ParallelContext& parallel,
                                                 kernels::Device& device) {
  std::string known;
  for (const auto& [model_type, make] : kModels) {
    if (plan.model().model_type() == model_type) return make(plan, parallel, device);
    known += known.empty() ? model_type : std::string(", ") + model_type;
  }
  return absl::UnimplementedError(fmt::format("model_type \"{}\" is not served; served are: {}",
                                              plan.model().model_type(), known));
}

}  // namespace switchyard::worker
