#include "coordinator/checkpoint_info.h"

#include <filesystem>

#include "base/file.h"
#include "base/gguf.h"
#include "base/units.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/model_config.h"

namespace switchyard {
namespace {

constexpr int64_t kMaxConfigBytes = 16 * kMiB;

// generation_config.json, or what config.json says of the same where that file is missing.
absl::StatusOr<core::GenerationConfig> ReadGenerationConfig(const std::string& model_path,
                                                            const ModelConfig& config) {
  if (!IsGgufPath(model_path)) {
    const std::string path = model_path + "/generation_config.json";
    const absl::StatusOr<std::string> text = ReadFile(path, kMaxConfigBytes);
    if (text.ok()) return core::ParseGenerationConfig(*text, path);
    if (!absl::IsNotFound(text.status())) return text.status();
  }
  return core::ParseGenerationConfig(config.text, config.path);
}

// Ids that config.json's vocabulary does not have would stop no answer, or be refused one prompt at
// a time.
absl::Status CheckVocabulary(const CheckpointInfo& info, const std::string& model_path) {
  const int32_t vocab = info.model.vocab_size();
  for (const int32_t id : info.generation.eos_token_ids) {
    if (id < vocab) continue;
    return absl::InvalidArgumentError(fmt::format(
        "{}: eos_token_id {} is no token of config.json's vocab_size = {}", model_path, id, vocab));
  }
  if (info.tokenizer->vocab_size() <= vocab) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}{}: has ids up to {}, config.json's vocab_size is {}", model_path,
      IsGgufPath(model_path) ? "" : "/tokenizer.json", info.tokenizer->vocab_size() - 1, vocab));
}

}  // namespace

absl::StatusOr<CheckpointInfo> ReadCheckpointInfo(const std::string& model_path) {
  CheckpointInfo info;
  std::error_code ignored;
  info.name = IsGgufPath(model_path)
                  ? GgufModelName(model_path)
                  : std::filesystem::canonical(model_path, ignored).filename().string();
  SY_ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(model_path));
  SY_ASSIGN_OR_RETURN(info.model, core::ParseHfConfig(config.text, config.path));
  SY_ASSIGN_OR_RETURN(info.generation, ReadGenerationConfig(model_path, config));
  SY_ASSIGN_OR_RETURN(info.tokenizer, text::Tokenizer::FromFiles(model_path));
  SY_RETURN_IF_ERROR(CheckVocabulary(info, model_path));
  absl::StatusOr<text::ModelChatTemplate> chat_template = text::LoadChatTemplate(model_path);
  if (chat_template.ok()) {
    info.chat_template = *std::move(chat_template);
  } else if (!absl::IsNotFound(chat_template.status())) {
    return chat_template.status();
  }
  return info;
}

}  // namespace switchyard
