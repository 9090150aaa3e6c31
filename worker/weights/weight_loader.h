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
#include <deque>
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
#include "worker/weights/packed_cache.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::worker {

// A small weight that ops read as it is.
struct DeviceTensor {
  kernels::Buffer memory;
  kernels::TensorView view;
};

using TakePacked = std::function<void(std::unique_ptr<kernels::PackedLinear> packed)>;

// A weight [rows, cols] that is made of a matrix's values.
struct DerivedLinear {
  std::string_view name;  // for messages; outlives Run
  int64_t rows = 0;
  int64_t cols = 0;
  kernels::Compute compute = kernels::Compute::kF32;
  bool bias = false;  // the slice's, whose rows are then this weight's
  // Fills `weight`, f32 [rows, cols], from the slice's `values`, f32 [num_rows, num_cols], FP8
  // dequantised.
  std::function<void(const float* values, float* weight)> make;
  TakePacked take;
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

// A weight that is made of entries as they are stored.
struct StoredLinear {
  // What is packed. The weight's type is that of the first tensor where ops compute with such, else
  // the one that is given here.
  kernels::PackedForm form;
  // Packs it of the entries, in the order of their tensors. Its error ends Run.
  std::function<absl::StatusOr<std::unique_ptr<kernels::PackedLinear>>(
      std::span<const StoredEntry> entries)>
      pack;
  std::unique_ptr<kernels::PackedLinear>* out;  // filled by Run
};

// Memory between files and packed weights.
inline constexpr int64_t kStagingBytes = 256 * kMiB;

// What a loader is at.
enum class LoadStage {
  kReading,    // the checkpoint
  kRestoring,  // from the packed cache
  kKeeping,    // in the packed cache
};

// Worth a line in a log.
struct LoadNote {
  bool warning = false;
  std::string text;
};

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
    // See packed_cache.h. What goes wrong with it is noted, and loading goes on without.
    PackedCacheOptions packed_cache;
    // Called with the bytes of this stage so far and their total, from any thread, one call at a
    // time. May be empty.
    std::function<void(LoadStage stage, int64_t bytes_done, int64_t bytes_total)> progress;
    // What becomes of the packed cache, from the thread that calls Run. May be empty.
    std::function<void(const LoadNote& note)> note;
    const std::atomic<bool>* cancel =
        nullptr;  // Run ends with CANCELLED soon after it is true. May be null.
  };

  // Both outlive the loader.
  WeightLoader(const Checkpoint& checkpoint, kernels::Ops& ops, Options options);
  ~WeightLoader();

  bool Has(const std::string& tensor) const;
  bool IsFp8(const std::string& tensor) const;

  // Each `out` is filled by Run.
  void Linear(const MatrixSlice& slice, std::unique_ptr<kernels::PackedLinear>* out);
  void GateUp(const MatrixSlice& gate, const MatrixSlice& up,
              std::unique_ptr<kernels::PackedLinear>* out);
  // A 1-D tensor of `size` elements as f32, `offset` added to each.
  void Vector(const std::string& tensor, int64_t size, DeviceTensor* out, float offset = 0);
  // A matrix that ops index by row, in the type of the checkpoint (f32, f16 or bf16).
  void Table(const MatrixSlice& slice, DeviceTensor* out);
  // Weights made of a slice that is read once, and at once; `whole` is the slice itself as in
  // Linear, or null.
  void Derive(const MatrixSlice& slice, std::vector<DerivedLinear> derived,
              std::unique_ptr<kernels::PackedLinear>* whole = nullptr);
  // A weight made of entry `index` of dimension 0 of each tensor.
  void Stored(std::span<const StoredTensor> tensors, int64_t index, StoredLinear linear);

  // INVALID_ARGUMENT or NOT_FOUND: what was asked for is not in the checkpoint as asked; the
  // message has the first fault and the number of others. DATA_LOSS, UNAVAILABLE,
  // DEADLINE_EXCEEDED: see ShardReader::Run.
  absl::Status Run();

  kernels::Ops& ops() const { return ops_; }
  kernels::Compute compute() const { return options_.compute; }

  int64_t bytes_read() const { return figures_.bytes_read; }
  // How they were read, and the most staging memory that was in use.
  const ReadCounters& counters() const { return figures_.counters; }
  int64_t staging_high_water() const { return figures_.staging_high_water; }
  // All came from the packed cache.
  bool restored() const { return restored_; }
  // Device memory of all that was packed or uploaded.
  int64_t packed_bytes() const { return packed_bytes_; }

 private:
  struct Task;
  struct Output;
  using RestoreOutput = std::function<absl::Status(kernels::Buffer memory)>;

  // The whole tensor's info, or null after remembering why not.
  const TensorInfo* Expect(const std::string& tensor, const TensorShape& shape);
  Output* AddOutput(std::string form, RestoreOutput restore);
  // The weight that is packed of a matrix of all its rows, which may have no data yet.
  Output* AddMatrixOutput(const HostMatrix& matrix, bool gate_up, TakePacked take);
  // `name`: what decides the weight's bytes, beside its form's shape.
  Output* AddPackedOutput(std::string name, const kernels::PackedForm& form, TakePacked take);
  Output* AddTensorOutput(std::string form, const kernels::TensorView& view, DeviceTensor* out);
  absl::Status RestorePacked(const kernels::PackedForm& form, kernels::Buffer memory,
                             const TakePacked& take);
  void Filled(Output* output, const kernels::Buffer& memory);
  // load_matrix.cc. False after remembering why not. Whole numbers of a GGUF file stay such if
  // `whole`; those of 4-bit checkpoints always.
  bool AddMatrix(const MatrixSlice& slice, bool whole, Task* task);
  // Null but for what lies in a GGUF file as its GgufLayout says.
  const GgufLayout* FindGguf(const std::string& tensor) const;
  bool AddGguf(const MatrixSlice& slice, bool whole, HostMatrix* matrix, Task* task);
  // Whether a GGUF file has this one in two.
  bool HasHalves(const std::string& tensor) const;
  bool AddHalves(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  // Weights of a GGUF file that are packed together may stay whole numbers: both, or neither.
  bool MayStayWhole(const MatrixSlice& slice, const MatrixSlice* up) const;
  bool CheckPair(const Task& task);
  bool AddWeight(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  bool AddInt4(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  // The range of a part of a 4-bit weight, which has one of the types; empty after remembering why
  // not.
  std::optional<HostRange> AddInt4Part(const MatrixSlice& slice, const char* suffix,
                                       Int4Slice::Part part, std::string_view types, Task* task);
  bool AddBias(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  bool AddScales(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  // Says what each of the scales is of. Null after remembering why not.
  const TensorInfo* FindCompressedScales(const TensorInfo& info, const MatrixSlice& slice,
                                         BlockSlice* blocks);
  bool IsInt4(const std::string& tensor) const;
  void AddPacked(const MatrixSlice& slice, const MatrixSlice* up,
                 std::unique_ptr<kernels::PackedLinear>* out);
  void PackDerived(const DerivedLinear& derived, const HostMatrix& matrix, const float* values,
                   Output* output);
  // How many rows of a slice are read and packed at once: all, or a multiple of `step` (0: all).
  int64_t RowsAtOnce(const MatrixSlice& slice, int64_t num_matrices, int64_t step) const;
  int64_t SlotBytes() const;
  // A range that the task reads.
  HostRange AddRange(const TensorRange& range, bool shared, Task* task);
  bool IsShared(const MatrixSlice& slice) const;
  absl::Status CheckFaults() const;
  ShardReaderOptions ReaderOptions(LoadStage stage) const;
  absl::Status ReadAndPack();
  absl::Status Verify(const ReadBatch& batch) const;
  absl::Status PackBatch(const std::vector<Task*>& tasks, const ReadBatch& batch);
  absl::StatusOr<PackedCache> OpenCache() const;
  absl::Status Restore(const PackedCache& cache);
  absl::Status Keep(const PackedCache& cache);
  void Note(bool warning, std::string text) const;
  void Remember(absl::Status fault);
  // `tensor` is of a type that `rule` does not have.
  void RememberType(const TensorInfo& tensor, std::string_view rule);

  const Checkpoint& checkpoint_;
  kernels::Ops& ops_;
  const Options options_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<absl::Status> faults_;
  std::deque<Output> outputs_;  // in the order of the requests
  PipelineFigures figures_;
  int64_t packed_bytes_ = 0;
  bool restored_ = false;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_WEIGHT_LOADER_H_
