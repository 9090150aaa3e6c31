#include "emulator/ptx/tma_box.h"

#include <algorithm>
#include <cstring>

#include "emulator/ptx/tensor_descriptor.h"

namespace emu {
namespace {

// The bytes of one element of the map's NaN, as often as they fit into eight.
uint64_t NanPattern(TensorType type) {
  switch (type) {
    case TensorType::kF16:
    case TensorType::kBf16:
      return 0x7fff'7fff'7fff'7fffULL;
    case TensorType::kF64:
      return 0x7fff'ffff'ffff'ffffULL;
    default:
      return 0x7fff'ffff'7fff'ffffULL;
  }
}

void Fill(const TensorMap& map, std::byte* out, uint32_t bytes) {
  if (map.fill == TensorFill::kZero) {
    std::memset(out, 0, bytes);
    return;
  }
  const uint64_t pattern = NanPattern(map.type);
  const uint32_t step = map.element_bytes();
  for (uint32_t i = 0; i < bytes; i += step) std::memcpy(out + i, &pattern, step);
}

// Calls copy(image offset, shared offset, bytes) for the largest pieces that swizzling keeps whole.
template <class Copy>
void ForEachPiece(const TensorMap& map, uint32_t offset, Copy copy) {
  const uint32_t bytes = map.box_bytes();
  if (map.swizzle == TensorSwizzle::kNone) return copy(0U, offset, bytes);
  const uint32_t span = map.swizzle_bytes();
  for (uint32_t i = 0; i < bytes; i += kChunkBytes) {
    copy(i, SwizzleAddress(offset + i, span), kChunkBytes);
  }
}

}  // namespace

BoxRows::BoxRows(const TensorMap& map, const BoxCoordinates& coordinates)
    : map_(map), coordinates_(coordinates), row_bytes_(map.box[0] * map.element_bytes()) {
  for (uint32_t d = 1; d < map.rank; ++d) num_rows_ *= map.box_elements(d);
  const int64_t begin = coordinates.at[0];
  const int64_t end = begin + map.box[0];
  const auto size = static_cast<int64_t>(map.dim(0));
  const int64_t body_begin = std::clamp<int64_t>(0, begin, end);
  const int64_t body_end = std::clamp<int64_t>(size, body_begin, end);
  const uint32_t element = map.element_bytes();
  first_.head = static_cast<uint32_t>(body_begin - begin) * element;
  first_.body = static_cast<uint32_t>(body_end - body_begin) * element;
  first_.tail = row_bytes_ - first_.head - first_.body;
  first_element_ = first_.body == 0 ? 0 : static_cast<uint64_t>(body_begin);
}

BoxRow BoxRows::row(uint32_t i) const {
  BoxRow row = first_;
  row.image_offset = i * row_bytes_;
  uint64_t address = map_.address + first_element_ * map_.element_bytes();
  bool in_bounds = row.body != 0;
  for (uint32_t d = 1; d < map_.rank; ++d) {
    const uint32_t elements = map_.box_elements(d);
    const int64_t x = int64_t{coordinates_.at[d]} + int64_t{i % elements} * map_.element_strides[d];
    i /= elements;
    in_bounds = in_bounds && x >= 0 && static_cast<uint64_t>(x) <= map_.dims_less_one[d];
    address += static_cast<uint64_t>(x) * map_.strides[d - 1];
  }
  if (in_bounds) {
    row.address = address;
  } else {
    row.head = row_bytes_;
    row.body = 0;
    row.tail = 0;
  }
  return row;
}

std::string CheckBox(const TensorMap& map) {
  if (map.magic != kTensorMapMagic) return "the tensor map was not made by cuTensorMapEncodeTiled";
  const uint32_t row_bytes = map.box[0] * map.element_bytes();
  if (map.swizzle != TensorSwizzle::kNone && row_bytes != map.swizzle_bytes()) {
    return "a box row of " + std::to_string(row_bytes) +
           " bytes, narrower than the swizzle span of " + std::to_string(map.swizzle_bytes()) +
           ", is not modelled";
  }
  return {};
}

void GatherGlobal(const TensorMap& map, const BoxCoordinates& coordinates, std::byte* image) {
  const BoxRows rows(map, coordinates);
  for (uint32_t i = 0; i < rows.num_rows(); ++i) {
    const BoxRow row = rows.row(i);
    std::byte* out = image + row.image_offset;
    if (row.head != 0) Fill(map, out, row.head);
    if (row.body != 0) {
      std::memcpy(out + row.head, reinterpret_cast<const void*>(row.address), row.body);
    }
    if (row.tail != 0) Fill(map, out + row.head + row.body, row.tail);
  }
}

void ScatterGlobal(const TensorMap& map, const BoxCoordinates& coordinates,
                   const std::byte* image) {
  const BoxRows rows(map, coordinates);
  for (uint32_t i = 0; i < rows.num_rows(); ++i) {
    const BoxRow row = rows.row(i);
    if (row.body == 0) continue;
    std::memcpy(reinterpret_cast<void*>(row.address), image + row.image_offset + row.head,
                row.body);
  }
}

void ScatterShared(const TensorMap& map, const std::byte* image, std::byte* shared,
                   uint32_t offset) {
  ForEachPiece(map, offset, [&](uint32_t from, uint32_t to, uint32_t bytes) {
    std::memcpy(shared + to, image + from, bytes);
  });
}

void GatherShared(const TensorMap& map, const std::byte* shared, uint32_t offset,
                  std::byte* image) {
  ForEachPiece(map, offset, [&](uint32_t to, uint32_t from, uint32_t bytes) {
    std::memcpy(image + to, shared + from, bytes);
  });
}

}  // namespace emu
