#include "coordinator/model_config.h"

#include <filesystem>
#include <vector>

#include "base/file.h"
#include "base/gguf.h"
#include "base/units.h"
#include "coordinator/core/plan/gguf_config.h"
#include "coordinator/core/plan/hf_config.h"

namespace switchyard {
namespace {

constexpr int64_t kMaxConfigBytes = 16 * kMiB;
constexpr int64_t kMaxRopeDivisors = 4096;  // no head is wider

absl::StatusOr<ModelConfig> ReadGgufConfig(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const GgufHeader header, ReadGguf(path));
  std::vector<float> divisors;
  if (const GgufTensor* const tensor = header.Find(core::kRopeDivisorsTensor)) {
    SY_ASSIGN_OR_RETURN(divisors, ReadGgufFloats(header, *tensor, kMaxRopeDivisors));
  }
  SY_ASSIGN_OR_RETURN(const Json config, core::GgufConfig(header, divisors, path));
  return ModelConfig{.text = config.dump(2) + "\n", .path = path};
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& model_path) {
  if (IsGgufPath(model_path)) return ReadGgufConfig(model_path);
  std::error_code ignored;
  const bool itself = std::filesystem::is_regular_file(model_path, ignored);
  const std::string path = itself ? model_path : model_path + "/config.json";
  SY_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxConfigBytes));
  return ModelConfig{.text = std::move(text), .path = path};
}

absl::StatusOr<v1::ModelSpec> ReadModelSpec(const std::string& model_path) {
  SY_ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(model_path));
  return core::ParseHfConfig(config.text, config.path);
}

}  // namespace switchyard
