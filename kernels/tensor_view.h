// A tensor that somebody else owns: address, type, shape. Row-major; only the step between rows of
// dimension 0 may be wider than the row itself, so that a view can be a column range of a larger
// matrix.
#ifndef SWITCHYARD_KERNELS_TENSOR_VIEW_H_
#define SWITCHYARD_KERNELS_TENSOR_VIEW_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "base/check.h"
#include "kernels/dtype.h"

namespace switchyard::kernels {

struct TensorView {
  static constexpr int kMaxRank = 4;

  void* data = nullptr;
  DType dtype = DType::kF32;
  int rank = 0;
  std::array<int64_t, kMaxRank> dims{};
  int64_t row_stride = 0;  // elements between data[i, ...] and data[i + 1, ...]

  TensorView() = default;
  TensorView(const void* address, DType type, std::initializer_list<int64_t> shape)
      : data(const_cast<void*>(address)), dtype(type), rank(static_cast<int>(shape.size())) {
    SY_CHECK_LE(rank, kMaxRank);
    int i = 0;
    for (int64_t dim : shape) dims[i++] = dim;
    row_stride = RowElements();
  }

  bool empty() const { return data == nullptr; }
  int64_t rows() const { return rank > 0 ? dims[0] : 1; }
  // Elements of one row of dimension 0.
  int64_t RowElements() const {
    int64_t n = 1;
    for (int i = 1; i < rank; ++i) n *= dims[i];
    return n;
  }
  int64_t NumElements() const { return rows() * RowElements(); }
  bool contiguous() const { return row_stride == RowElements() || rows() <= 1; }

  // Rows [begin, begin + count) of dimension 0.
  TensorView Rows(int64_t begin, int64_t count) const {
    TensorView view = *this;
    view.data = static_cast<std::byte*>(data) + begin * row_stride * SizeOf(dtype);
    view.dims[0] = count;
    return view;
  }
  // Columns [begin, begin + count) of a matrix.
  TensorView Cols(int64_t begin, int64_t count) const {
    SY_CHECK_EQ(rank, 2);
    TensorView view = *this;
    view.data = static_cast<std::byte*>(data) + begin * SizeOf(dtype);
    view.dims[1] = count;
    return view;
  }
  // The same memory in another shape; dimension 0 stays.
  TensorView Reshaped(std::initializer_list<int64_t> shape) const {
    TensorView view(data, dtype, shape);
    SY_CHECK_EQ(view.rows(), rows());
    SY_CHECK_EQ(view.RowElements(), RowElements());
    view.row_stride = row_stride;
    return view;
  }

  template <typename T>
  T* row(int64_t i) const {
    return static_cast<T*>(data) + i * row_stride;
  }
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_TENSOR_VIEW_H_
