// `switchyard manifest`: the digests of a checkpoint's bytes, written beside them.
#ifndef SWITCHYARD_CLI_MANIFEST_COMMAND_H_
#define SWITCHYARD_CLI_MANIFEST_COMMAND_H_

#include <atomic>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct ManifestCommandOptions {
  std::string model_folder;
  bool check = false;  // hold the checkpoint against its manifest and write none
  int num_threads = 4;
  const std::atomic<bool>* cancel = nullptr;  // may be null
};

// Errors: those of Checkpoint::Open and Manifest; with `check` DATA_LOSS, naming the first tensor
// and file that are damaged.
absl::Status RunManifest(const ManifestCommandOptions& options);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_MANIFEST_COMMAND_H_
