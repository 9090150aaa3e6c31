#include "worker/weights/host_range.h"

#include <cstdint>
#include <cstring>

namespace switchyard::worker {

const std::byte* Contiguous(const HostRange& range, const std::byte* data,
                            std::vector<std::byte>& moved) {
  const TensorRange &wanted = range.wanted, &read = range.read;
  const int64_t element = FileDtypeBytes(wanted.tensor->dtype);
  const int64_t row = wanted.num_cols() * element, read_row = read.num_cols() * element;
  data += (wanted.row_begin - read.row_begin) * read_row +
          (wanted.col_begin - read.col_begin) * element;
  const bool fit = reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(element) == 0;
  if (fit && (row == read_row || wanted.num_rows() == 1)) return data;
  moved.resize(static_cast<size_t>(wanted.num_bytes()));
  for (int64_t i = 0; i < wanted.num_rows(); ++i) {
    std::memcpy(moved.data() + i * row, data + i * read_row, static_cast<size_t>(row));
  }
  return moved.data();
}

}  // namespace switchyard::worker
