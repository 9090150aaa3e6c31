// From a checkpoint to packed weights: models say which slices they want and where the packed form
// goes; Run reads exactly those bytes, a bounded amount at a time, and packs them for the backend.
//
// A request for a tensor that is missing, of another shape than the model's config gives, or of a
// type that the loader does not know is remembered; Run reports it before anything is read.
#ifndef SWITCHYARD_WORKER_WEIGHTS_WEIGHT_LOADER_H_
#define SWITCHYARD_WORKER_WEIGHTS_WEIGHT_LOADER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "kernels/ops.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::worker {

// A slice of a 2-D weight. `rows` and `cols` are what the whole tensor must have.
struct MatrixSlice {
  std::string tensor;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t row_begin = 0;
  int64_t row_end = -1;  // -1: rows
  int64_t col_begin = 0;
  int64_t col_end = -1;  // -1: cols
  std::string bias;      // name of its bias [rows], or empty
  int64_t k_shards = 1;  // see kernels::LinearSource
  // Where the mode is kBf16: inputs are not rounded to BF16 (kernels::Compute::kF32 instead).
  bool precise = false;

  int64_t num_rows() const { return (row_end < 0 ? rows : row_end) - row_begin; }
  int64_t num_cols() const { return (col_end < 0 ? cols : col_end) - col_begin; }
};

// A small weight that ops read as it is.
struct DeviceTensor {
  kernels::Buffer memory;
  kernels::TensorView view;
};

class WeightLoader {
 public:
  struct Options {
    kernels::Compute compute = kernels::Compute::kBf16;
    int num_threads = 4;                 // readers
    int64_t staging_bytes = 256 * kMiB;  // read ahead of packing; one tensor may need more
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
  // A 1-D tensor of `size` elements as f32: rows [begin, end) of it.
  void Vector(const std::string& tensor, int64_t size, DeviceTensor* out);
  // A matrix that ops index by row, in the type of the checkpoint (f32, f16 or bf16).
  void Table(const MatrixSlice& slice, DeviceTensor* out);
  // A matrix as f32 in host memory [num_rows, num_cols], FP8 dequantised; valid during the call,
  // which may Pack() what it makes of it.
  void Values(const MatrixSlice& slice, std::function<void(const float* values)> consume);

  // INVALID_ARGUMENT or NOT_FOUND: what was asked for is not in the checkpoint as asked; the
  // message has the first fault and the number of others. DATA_LOSS, UNAVAILABLE: reading failed.
  absl::Status Run();

  // Ops::Pack, counted.
  std::unique_ptr<kernels::PackedLinear> Pack(const kernels::LinearSource& source);

  int64_t bytes_read() const { return reader_bytes_; }
  // Device memory of all that was packed or uploaded.
  int64_t packed_bytes() const { return packed_bytes_; }

 private:
  struct HostMatrix;
  struct Read;
  struct Task;

  // The whole tensor's info, or null after remembering why not.
  const TensorInfo* Expect(const std::string& tensor, const TensorShape& shape);
  bool AddMatrix(const MatrixSlice& slice, Task* task);
  bool AddScales(const MatrixSlice& slice, HostMatrix* matrix, Task* task);
  absl::Status RunBatch(std::vector<Task*> batch, int64_t bytes_before, int64_t bytes_total);
  void Remember(absl::Status fault);
  // `tensor` is of a type that `rule` does not have.
  void RememberType(const TensorInfo& tensor, std::string_view rule);

  const Checkpoint& checkpoint_;
  kernels::Ops& ops_;
  const Options options_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<absl::Status> faults_;
  int64_t reader_bytes_ = 0;
  int64_t packed_bytes_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_WEIGHT_LOADER_H_
