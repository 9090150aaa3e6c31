// Makes a checkpoint folder in the published layout: numbered safetensors files, their index, and
// small files beside them. Everything goes to OUT.partial, which becomes OUT at the end: there is
// the whole checkpoint or none.
#ifndef SWITCHYARD_CLI_CHECKPOINT_WRITER_H_
#define SWITCHYARD_CLI_CHECKPOINT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "worker/weights/safetensors.h"

namespace switchyard::cli {

// DeepSeek-V3's 688.6 GB become 163 files, as published.
inline constexpr int64_t kDefaultShardBytes = 4'250'000'000;

struct CheckpointWriterOptions {
  std::string out_folder;
  // A file takes tensors in their order until the next would make it larger than this; each has one
  // at least.
  int64_t shard_bytes = kDefaultShardBytes;
  // kSparse: files take no more disk than what is written to them.
  worker::DiskSpace space = worker::DiskSpace::kReserved;
};

class CheckpointWriter {
 public:
  // ALREADY_EXISTS: OUT is there and not an empty folder, or OUT.partial is there.
  // RESOURCE_EXHAUSTED: the disk has no room for `tensors`, unless sparse. INVALID_ARGUMENT:
  // shard_bytes < 1.
  static absl::StatusOr<std::unique_ptr<CheckpointWriter>> Create(
      const CheckpointWriterOptions& options, std::vector<worker::TensorSpec> tensors);
  // Removes OUT.partial unless Finish() succeeded.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  int64_t num_bytes() const { return num_bytes_; }  // of all tensors

  // Writes bytes of tensor number `tensor` of the list from byte `offset` of it. Any thread, each
  // byte once. A file is open from its first byte to its last, so tensors written about in order
  // keep few open.
  absl::Status Write(size_t tensor, int64_t offset, std::span<const std::byte> bytes);

  // Counts tensor number `tensor` as written: all of it is zeros. As Write otherwise.
  absl::Status LeaveZeros(size_t tensor);

  // A small file beside the weights.
  absl::Status AddFile(std::string_view name, std::string_view contents);
  // Copies tokenizer, chat template and generation settings, as far as `folder` has them.
  absl::Status CopyTokenizerFiles(const std::string& folder);

  // Files of tensors.
  size_t num_files() const { return shards_.size(); }

  // REQUIRES: every byte has been written or left. Writes the index and gives the folder its name.
  absl::Status Finish();

 private:
  struct Shard {
    std::string file_name;
    size_t first_tensor;
    size_t last_tensor;  // inclusive
    // Null before the first byte and after the last.
    std::shared_ptr<worker::SafetensorsWriter> writer;
    bool finished = false;
  };

  CheckpointWriter(std::string out_folder, worker::DiskSpace space,
                   std::vector<worker::TensorSpec> tensors);
  void PlanShards(int64_t shard_bytes);
  absl::StatusOr<std::shared_ptr<worker::SafetensorsWriter>> OpenShard(Shard& shard);
  absl::Status FinishIfComplete(Shard& shard, const worker::SafetensorsWriter& writer);
  absl::Status FinishShard(Shard& shard);  // REQUIRES: mutex_ held
  std::string IndexJson() const;

  const std::string out_folder_;
  const std::string partial_folder_;
  const worker::DiskSpace space_;
  const std::vector<worker::TensorSpec> tensors_;
  int64_t num_bytes_ = 0;
  std::vector<size_t> shard_of_tensor_;
  std::mutex mutex_;
  std::vector<Shard> shards_;
  bool owns_partial_folder_ = false;
};

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_CHECKPOINT_WRITER_H_
