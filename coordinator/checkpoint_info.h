// What the coordinator reads of a checkpoint: the small files beside the weights, or a GGUF file's
// metadata.
#ifndef SWITCHYARD_COORDINATOR_CHECKPOINT_INFO_H_
#define SWITCHYARD_COORDINATOR_CHECKPOINT_INFO_H_

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "coordinator/core/plan/generation_config.h"
#include "coordinator/text/chat_template_file.h"
#include "coordinator/text/tokenizer.h"
#include "proto/model.pb.h"

namespace switchyard {

struct CheckpointInfo {
  std::string name;  // the folder's, or the file's without its ".gguf"
  v1::ModelSpec model;
  core::GenerationConfig generation;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::optional<text::ModelChatTemplate> chat_template;  // none: the model has no chat form
};

// Errors name file and field: NOT_FOUND, INVALID_ARGUMENT, UNIMPLEMENTED (an unknown model_type,
// quantisation or tokenizer).
absl::StatusOr<CheckpointInfo> ReadCheckpointInfo(const std::string& model_path);

}  // namespace switchyard

#endif  // SWITCHYARD_COORDINATOR_CHECKPOINT_INFO_H_
