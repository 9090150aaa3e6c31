#include "worker/weights/tensor_range.h"

#include "base/check.h"

namespace switchyard::worker {
namespace {

int64_t NumRows(const TensorInfo& tensor) { return tensor.shape.empty() ? 1 : tensor.shape[0]; }

// Of one row.
int64_t NumCols(const TensorInfo& tensor) {
  int64_t cols = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) cols *= tensor.shape[i];
  return cols;
}

}  // namespace

TensorRange TensorRange::Whole(const TensorInfo& tensor) {
  return Rows(tensor, 0, NumRows(tensor));
}

TensorRange TensorRange::Rows(const TensorInfo& tensor, int64_t begin, int64_t end) {
  return {.tensor = &tensor, .row_begin = begin, .row_end = end, .col_end = NumCols(tensor)};
}

TensorRange TensorRange::Cols(const TensorInfo& tensor, int64_t begin, int64_t end) {
  return {.tensor = &tensor, .row_end = NumRows(tensor), .col_begin = begin, .col_end = end};
}

bool TensorRange::whole_rows() const { return num_cols() == NumCols(*tensor); }

int64_t TensorRange::row_bytes() const { return NumCols(*tensor) * FileDtypeBytes(tensor->dtype); }

int64_t TensorRange::file_offset() const {
  return tensor->offset + row_begin * row_bytes() + col_begin * FileDtypeBytes(tensor->dtype);
}

void CheckRange(const TensorRange& range) {
  SY_CHECK(range.tensor != nullptr);
  const TensorInfo& tensor = *range.tensor;
  SY_CHECK(0 <= range.row_begin && range.row_begin <= range.row_end &&
           range.row_end <= NumRows(tensor))
      << tensor.name << " rows " << range.row_begin << ".." << range.row_end;
  SY_CHECK(0 <= range.col_begin && range.col_begin <= range.col_end &&
           range.col_end <= NumCols(tensor))
      << tensor.name << " columns " << range.col_begin << ".." << range.col_end;
}

}  // namespace switchyard::worker
