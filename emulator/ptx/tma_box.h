// What a tensor-map instruction copies: the box at some coordinates, row by row, between global
// memory and a linear image of the box (its shared form before swizzling, rows along dimension 0
// first), and between that image and swizzled shared memory.
//
// Owner: none, pure functions over memory. Thread: any. Units: bytes; coordinates in elements.
#ifndef SWITCHYARD_EMULATOR_PTX_TMA_BOX_H_
#define SWITCHYARD_EMULATOR_PTX_TMA_BOX_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "emulator/ptx/tensor_map.h"

namespace emu {

// Coordinates may be negative and beyond the tensor: elements out of bounds are filled on loads and
// left out on stores.
struct BoxCoordinates {
  int32_t at[kMaxTensorRank] = {};
};

// One row of the box along dimension 0. In bounds are the `body` bytes behind `head`.
struct BoxRow {
  uint32_t image_offset = 0;
  uint64_t address = 0;  // global, of the body; 0 if it is empty
  uint32_t head = 0;
  uint32_t body = 0;
  uint32_t tail = 0;
};

// Iterates the rows of the box: row(i) for i in [0, num_rows()).
class BoxRows {
 public:
  BoxRows(const TensorMap& map, const BoxCoordinates& coordinates);
  uint32_t num_rows() const { return num_rows_; }
  BoxRow row(uint32_t i) const;

 private:
  const TensorMap& map_;
  const BoxCoordinates& coordinates_;
  uint32_t row_bytes_;
  uint32_t num_rows_ = 1;
  BoxRow first_;  // head, body and tail are the same in all rows that are in bounds
  uint64_t first_element_ = 0;
};

// What makes a copy with this map impossible, or empty: it was not made by EncodeTiled, or its box
// rows are narrower than the swizzle span (how hardware pads those is not modelled).
std::string CheckBox(const TensorMap& map);

// image: map.box_bytes() bytes. Elements out of bounds become zeros or NaNs, as the map says.
void GatherGlobal(const TensorMap& map, const BoxCoordinates& coordinates, std::byte* image);
void ScatterGlobal(const TensorMap& map, const BoxCoordinates& coordinates, const std::byte* image);

// `shared` is the block's shared memory and `offset` the box's place in it: swizzling depends on
// the address.
void ScatterShared(const TensorMap& map, const std::byte* image, std::byte* shared,
                   uint32_t offset);
void GatherShared(const TensorMap& map, const std::byte* shared, uint32_t offset, std::byte* image);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TMA_BOX_H_
