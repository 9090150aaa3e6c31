// Reads a rank's part of a checkpoint: ranges of rows and columns of tensors, straight into the
// caller's memory. Requests are sorted by place, neighbours are read together, several threads read
// at once, and no byte outside the requested ranges is read.
#ifndef SWITCHYARD_WORKER_WEIGHTS_SHARD_READER_H_
#define SWITCHYARD_WORKER_WEIGHTS_SHARD_READER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/status.h"
#include "base/units.h"
#include "worker/weights/checkpoint.h"

namespace switchyard::worker {

// Rows and columns of a tensor: rows are dimension 0, columns all other dimensions laid flat. A 1-D
// tensor has one column, a scalar one row.
struct TensorRange {
  const TensorInfo* tensor = nullptr;
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t col_begin = 0;
  int64_t col_end = 0;

  static TensorRange Whole(const TensorInfo& tensor);
  static TensorRange Rows(const TensorInfo& tensor, int64_t begin, int64_t end);
  static TensorRange Cols(const TensorInfo& tensor, int64_t begin, int64_t end);

  int64_t num_rows() const { return row_end - row_begin; }
  int64_t num_cols() const { return col_end - col_begin; }
  int64_t num_bytes() const { return num_rows() * num_cols() * FileDtypeBytes(tensor->dtype); }
};

struct ReadRequest {
  TensorRange range;  // inside the tensor
  // [num_rows, num_cols] of the tensor's dtype, exactly; not shared with another request.
  std::span<std::byte> out;
};

struct ShardReaderOptions {
  int num_threads = 4;
  // Upper bound of one system call.
  int64_t chunk_bytes = 8 * kMiB;
  // Called now and then with the bytes read so far by this Read() and its total, at last with both
  // equal; one call at a time, from any of the threads. May be empty.
  std::function<void(int64_t bytes_done, int64_t bytes_total)> progress;
  // Stops with CANCELLED soon after it becomes true. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

// One thread calls it; it starts its own. The checkpoint outlives it.
class ShardReader {
 public:
  explicit ShardReader(const Checkpoint* checkpoint, ShardReaderOptions options = {});

  // Fills every request's `out`. DATA_LOSS: a file became shorter than its header says; message
  // with file and byte. After an error the contents of all `out` are undefined. REQUIRES: ranges
  // inside their tensors, sizes of `out` right.
  absl::Status Read(std::span<const ReadRequest> requests);

  // What the system calls have returned, over all Read() calls.
  int64_t bytes_read() const { return bytes_read_; }

 private:
  const Checkpoint* const checkpoint_;
  const ShardReaderOptions options_;
  int64_t bytes_read_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_SHARD_READER_H_
