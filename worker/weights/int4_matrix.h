// 4-bit weights with a scale and a zero point per row and group of columns, as AutoAWQ and GPTQ
// store them (MODEL_SPECS 8c):
//
//   W[n, k] = (code[n, k] - zero[n, g]) * scale[n, g],   g = k / group columns
//
// Both store the transpose, eight codes in a word: AWQ eight neighbouring n, GPTQ eight k.
//
// Symbols: N, K rows and columns of the slice; G the groups that its columns touch.
#ifndef SWITCHYARD_WORKER_WEIGHTS_INT4_MATRIX_H_
#define SWITCHYARD_WORKER_WEIGHTS_INT4_MATRIX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/dtype.h"
#include "proto/model.pb.h"
#include "worker/weights/host_range.h"
#include "worker/weights/matrix_slice.h"

namespace switchyard::worker {

inline constexpr int64_t kCodesPerWord = 8;

enum class Int4Layout : uint8_t { kAwq, kGptq };

struct Int4Format {
  Int4Layout layout = Int4Layout::kAwq;
  int64_t group_columns = 0;  // 0: all columns of a row
  bool zeros_less_one = false;
};
// Empty where the model has no such weights.
std::optional<Int4Format> Int4FormatOf(const v1::ModelSpec& model);

// The tensors that store the weight of `slice` ("X.weight" is stored as X.qweight and so on): what
// their shapes must be, and which parts of them hold the slice.
class Int4Slice {
 public:
  Int4Slice(const Int4Format& format, const MatrixSlice& slice);

  // Of `tensor` "X.weight" the name "X.SUFFIX".
  static std::string Name(const std::string& tensor, const char* suffix);

  // Rectangles of the stored tensors; `tensor` is left to the caller.
  struct Part {
    TensorShape shape;
    TensorRange range;
  };
  Part Codes() const;   // i32
  Part Zeros() const;   // i32
  Part Scales() const;  // f16, bf16 or f32
  Part Groups() const;  // i32: the group of each column; GPTQ only

  const Int4Format& format() const { return format_; }
  int64_t row_begin() const { return row_begin_; }
  int64_t col_begin() const { return col_begin_; }
  int64_t num_rows() const { return num_rows_; }
  int64_t num_cols() const { return num_cols_; }
  int64_t group_columns() const { return group_columns_; }
  int64_t first_group() const { return col_begin_ / group_columns_; }
  int64_t num_groups() const;
  int64_t all_groups() const;

 private:
  Int4Format format_;
  int64_t rows_, cols_;  // of the whole tensor
  int64_t row_begin_, num_rows_, col_begin_, num_cols_;
  int64_t group_columns_;
};

// The slice unpacked, row-major.
struct Int4Values {
  std::vector<std::byte> codes;  // [N, K], 0 to 15
  std::vector<int8_t> zeros;     // [N, G], 0 to 16
  std::vector<float> scales;     // [N, G]; no larger than an F16
};

// A slice whose parts come from the disk.
struct Int4Matrix {
  Int4Slice slice;
  HostRange codes, zeros, scales;
  std::optional<HostRange> groups;  // where the checkpoint has it
  kernels::DType scale_dtype = kernels::DType::kF16;

  // INVALID_ARGUMENT for scales that no F16 can hold; UNIMPLEMENTED for groups that are no runs of
  // columns. Messages name the tensor.
  absl::StatusOr<Int4Values> Decode(const RangeData& data) const;
};

// out[n, k] = W[n, k], exactly: f32 [N, K].
void WidenInt4(const Int4Slice& slice, const Int4Values& values, float* out);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_INT4_MATRIX_H_
