// Arrays of any NCCL type seen as numbers, converted by the toolkit's own functions: the tests'
// second opinion on the stand-in's conversions and sums.
#ifndef SWITCHYARD_TESTS_EMULATOR_NCCL_ELEMENTS_H_
#define SWITCHYARD_TESTS_EMULATOR_NCCL_ELEMENTS_H_

#include <nccl.h>

#include <cstddef>
#include <vector>

namespace emu {

class Elements {
 public:
  Elements(ncclDataType_t type, size_t count);

  double Get(size_t index) const;
  // Rounds to the type.
  void Set(size_t index, double value);

  void* data() { return bytes_.data(); }
  std::byte* at(size_t index) { return bytes_.data() + index * element_bytes_; }
  size_t count() const { return bytes_.size() / element_bytes_; }
  ncclDataType_t type() const { return type_; }

  // The same bits.
  bool operator==(const Elements&) const = default;

 private:
  ncclDataType_t type_;
  size_t element_bytes_;
  std::vector<std::byte> bytes_;
};

// What rank `rank` brings: numbers that every type holds and whose products and sums of eight ranks
// stay in its range.
Elements InputOf(ncclDataType_t type, size_t count, int rank);

// inputs[0] OP inputs[1] OP ..., rounded to the type after every step.
Elements Reduced(const std::vector<Elements>& inputs, ncclRedOp_t op);

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_NCCL_ELEMENTS_H_
