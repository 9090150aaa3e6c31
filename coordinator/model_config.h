// The config.json of a checkpoint, wherever it is: in its folder, or made of a GGUF file's
// metadata.
#ifndef SWITCHYARD_COORDINATOR_MODEL_CONFIG_H_
#define SWITCHYARD_COORDINATOR_MODEL_CONFIG_H_

#include <string>

#include "base/status.h"
#include "proto/model.pb.h"

namespace switchyard {

struct ModelConfig {
  std::string text;  // JSON
  std::string path;  // where it stands, for messages
};

// `model_path`: a folder, a GGUF file, or a config.json itself. NOT_FOUND, INVALID_ARGUMENT,
// UNIMPLEMENTED (an architecture of GGUF that is not read); messages name the file.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& model_path);

// That, parsed. Errors: also those of core::ParseHfConfig.
absl::StatusOr<v1::ModelSpec> ReadModelSpec(const std::string& model_path);

}  // namespace switchyard

#endif  // SWITCHYARD_COORDINATOR_MODEL_CONFIG_H_
