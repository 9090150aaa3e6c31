// A checkpoint as published: a folder with `model.safetensors.index.json` and its files, or with
// one `model.safetensors`; or a GGUF file (gguf_tensors.h). Opening it reads headers only; tensor
// bytes are shard_reader's work.
#ifndef SWITCHYARD_WORKER_WEIGHTS_CHECKPOINT_H_
#define SWITCHYARD_WORKER_WEIGHTS_CHECKPOINT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "worker/weights/safetensors.h"

namespace switchyard::worker {

inline constexpr std::string_view kIndexFileName = "model.safetensors.index.json";
inline constexpr std::string_view kSingleFileName = "model.safetensors";

// Immutable: any thread may read it.
class Checkpoint {
 public:
  // Reads index and headers (files in parallel) and holds them against each other. NOT_FOUND: the
  // folder or a file of it is missing. INVALID_ARGUMENT: index and files do not agree, or a file is
  // broken. Messages name file and tensor.
  static absl::StatusOr<Checkpoint> Open(const std::string& folder);

  // Of a GGUF file its path.
  const std::string& folder() const { return folder_; }
  // Paths, in ascending order of their names.
  const std::vector<std::string>& files() const { return files_; }
  // Ascending names, each once.
  std::span<const TensorInfo> tensors() const { return tensors_; }
  // Null if there is no such tensor. The pointer lives as long as this object does, moves included.
  const TensorInfo* Find(std::string_view name) const;
  // NOT_FOUND with folder and name.
  absl::StatusOr<const TensorInfo*> Get(std::string_view name) const;
  // The sum over all tensors.
  int64_t num_bytes() const;

 private:
  static absl::StatusOr<Checkpoint> OpenGguf(const std::string& path);

  std::string folder_;
  std::vector<std::string> files_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_CHECKPOINT_H_
