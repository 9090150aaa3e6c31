// From a checkpoint to packed weights: models say which slices they want and where the packed form
// goes; Run reads exactly those bytes in the order of the disk, a bounded amount ahead, and packs
// them for the backend while the next are read.
//
// A request for a tensor that is missing, of another shape than the model's config gives, or of a
// type that the loader does not know is remembered; Run reports it before anything is read.
#ifndef SWITCHYARD_WORKER_WEIGHTS_WEIGHT_LOADER_H_
#define SWITCHYARD_WORKER_WEIGHTS_WEIGHT_LOADER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "kernels/ops.h"
#include "worker/weights/host_matrix.h"
#include "worker/weights/manifest.h"
#include "worker/weights/matrix_slice.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::worker {

// A small weight that ops read as it is.
struct DeviceTensor {
  kernels::Buffer memory;
  kernels::TensorView view;
};

// A tensor that is no matrix, and the types that it may have.
struct StoredTensor {
  std::string name;
  TensorShape shape;
  std::span<const FileDtype> types;
};
struct StoredEntry {
  const std::byte* data = nullptr;  // at any address
  const TensorInfo* tensor = nullptr;
};

// Memory between files and packed weights.
inline constexpr int64_t kStagingBytes = 256 * kMiB;

class WeightLoader {
 public:
  struct Options {
    kernels::Compute compute = kernels::Compute::kBf16;
    // Of linears; other than kStored only where the backend packs whole numbers.
    kernels::WeightForm form = kernels::WeightForm::kStored;
    // How a weight "X.weight" is stored where there is an X.qweight instead.
    std::optional<Int4Format> int4 = std::nullopt;
    int num_threads = 4;  // readers of what goes through the page cache
    // No more than so much is read ahead of packing. Large slices come in pieces of rows, where the
    // backend packs such; elsewhere one that is larger is read when nothing else is.
    int64_t staging_bytes = kStagingBytes;
    bool direct = false;  // read past the page cache what no other rank reads
    // What is read is held against it: each rank reads whole bands then. Null: not.
    const Manifest* manifest = nullptr;
    // Of the layout: says what is read by several ranks.
    int num_ranks = 1;
    int num_groups = 1;
    std::chrono::milliseconds max_silence{30'000};  // see ShardReaderOptions
    // Called with the bytes read so far and the total, from any thread, one call at a time. May be
    // empty.
    std::function<void(int64_t bytes_done, int64_t bytes_total)> progress;
    const std::atomic<bool>* cancel =
        nullptr;  // Run ends with CANCELLED soon after it is true. May be null.
  };

  // Both outlive the loader.
  WeightLoader(const Checkpoint& checkpoint, kernels::Ops& ops, Options options);
  ~WeightLoader();

  bool Has(const std::string& tensor) const;

  // Each `out` is filled by Run.
  void Linear(const MatrixSlice& slice, std::unique_ptr<kernels::PackedLinear>* out);
  void GateUp(const MatrixSlice& gate, const MatrixSlice& up,
              std::unique_ptr<kernels::PackedLinear>* out);
  // A 1-D tensor of `size` elements as f32, `offset` added to each.
  void Vector(const std::string& tensor, int64_t size, DeviceTensor* out, float offset = 0);
  // A matrix that ops index by row, in the type of the checkpoint (f32, f16 or bf16).
  void Table(const MatrixSlice& slice, DeviceTensor* out);
  // A matrix as f32 in host memory [num_rows, num_cols], FP8 dequantised, and its bias [num_rows]
  // or nothing; valid during the call, which may Pack() what it makes of it.
  using UseValues = std::function<void(const float* values, std::span<const float> bias)>;
  void Values(const MatrixSlice& slice, UseValues consume);
  // Entry `index` of dimension 0 of each tensor, as stored, in the order of `tensors`; valid during
  // the call, which may Pack() what it makes of it. Its error ends Run.
  using UseStored = std::function<absl::Status(std::span<const StoredEntry> entries)>;
  void Stored(std::span<const StoredTensor> tensors, int64_t index, UseStored consume);

  // INVALID_ARGUMENT or NOT_FOUND: what was asked for is not in the checkpoint as asked; the
  // message has the first fault and the number of others. DATA_LOSS, UNAVAILABLE,
  // DEADLINE_EXCEEDED: see ShardReader::Run.
  absl::Status Run();

  // Ops::Pack and PackGateUp, counted.
  std::unique_ptr<kernels::PackedLinear> Pack(const kernels::LinearSource& source);
  std::unique_ptr<kernels::PackedLinear> PackGateUp(const kernels::LinearSource& gate,
                                                    const kernels::LinearSource& up);
  kernels::Compute compute() const { return options_.compute; }

  int64_t bytes_read() const { return reader_bytes_; }
  // How they were read, and the most staging memory that was in use.
  const ReadCounters& counters() const { return counters_; }
  int64_t staging_high_water() const { return staging_high_water_; }
  // Device memory of all that was packed or uploaded.
  int64_t packed_bytes() const { return packed_bytes_; }

 private:
  struct Task;
  struct Batch;
  class ReadyBatches;

  // The whole tensor's info, or null after remembering why not.
  const TensorInfo* Expect(const std::string& tensor, const TensorShape& shape);
  // Whole numbers stay such if `whole`, where they are stored so.
  bool AddMatrix(const MatrixSlice& slice, bool whole, Task* task);
  void AddPacked(const MatrixSlice& slice, const MatrixSlice* up,
                 std::unique_ptr<kernels::PackedLinear>* out);
  // How many rows of a slice are read and packed at once: all, or a multiple of `step` (0: all).
  int64_t RowsAtOnce(const MatrixSlice& slice, int64_t num_matrices, int64_t step) const;
  int64_t SlotBytes() const;
  bool IsInt4(const std::string& tensor) const;
  // Null but for what lies in a GGUF file as its GgufLayout says.
  const GgufLayout* FindGguf(const std::string& tensor) const;
  bool AddGguf(const MatrixSlice& slice, bool whole, HostMatrix* matrix, Task* task);
  // Weights that are packed together may stay whole numbers: both, or neither.
  bool MayStayWhole(const MatrixSlice& slice, const MatrixSlice* up) const;
  bool CheckPair(const Task& task);
  bool AddWeight(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  bool AddInt4(const MatrixSlice& slice, bool whole, HostMatrix* matrix, Task* task);
  // The range of a part of a 4-bit weight, which has one of the types; empty after remembering why
  // not.
  std::optional<HostRange> AddInt4Part(const MatrixSlice& slice, const char* suffix,
                                       Int4Slice::Part part, std::string_view types, Task* task);
  bool AddBias(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  bool AddScales(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  // A range that the task's matrix reads.
  HostRange AddRange(const TensorRange& range, bool shared, Task* task);
  bool IsShared(const MatrixSlice& slice) const;
  absl::Status CheckFaults() const;
  std::vector<Batch> MakeBatches();
  absl::Status ReadAndPack(std::vector<Batch>& batches);
  absl::Status Verify(const ReadBatch& batch) const;
  absl::Status PackBatch(Batch& batch);
  void Remember(absl::Status fault);
  // `tensor` is of a type that `rule` does not have.
  void RememberType(const TensorInfo& tensor, std::string_view rule);

  const Checkpoint& checkpoint_;
  kernels::Ops& ops_;
  const Options options_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<absl::Status> faults_;
  int64_t reader_bytes_ = 0;
  ReadCounters counters_;
  int64_t staging_high_water_ = 0;
  int64_t packed_bytes_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_WEIGHT_LOADER_H_
