// Operands for tests of arithmetic: the edges, against each other, and random bits.
#ifndef SWITCHYARD_TESTS_EMULATOR_PTX_PTX_VALUES_H_
#define SWITCHYARD_TESTS_EMULATOR_PTX_PTX_VALUES_H_

#include <cstdint>
#include <random>
#include <vector>

namespace emu {

struct Values {
  std::vector<uint64_t> a, b, c;
  void Add(uint64_t x, uint64_t y, uint64_t z) {
    a.push_back(x);
    b.push_back(y);
    c.push_back(z);
  }
};

// Every pair of edges, a third operand that goes round, then random ones (a third of them small,
// for shifts and counts).
inline Values MakeValues(const std::vector<uint64_t>& edges, size_t random) {
  Values values;
  size_t next = 0;
  for (const uint64_t x : edges) {
    for (const uint64_t y : edges) values.Add(x, y, edges[next++ % edges.size()]);
  }
  std::mt19937_64 generator(7);
  for (size_t i = 0; i < random; ++i) {
    const uint64_t limit = i % 3 == 0 ? 70 : ~uint64_t{0};
    values.Add(generator(), generator() % limit, generator() % limit);
  }
  return values;
}

inline Values IntegerValues() {
  return MakeValues({0,
                     1,
                     2,
                     7,
                     31,
                     32,
                     33,
                     63,
                     64,
                     65,
                     0x7f,
                     0x80,
                     0xffff,
                     0x8000,
                     0x7fffffff,
                     0x80000000,
                     0xffffffff,
                     0x100000000,
                     0x7fffffffffffffff,
                     0x8000000000000000,
                     0xffffffffffffffff,
                     0xfffffffffffffffe,
                     0xffffffff80000000},
                    500);
}

// f32 patterns: zeros, denormals, ones, halves, large, infinities, NaNs.
inline Values Float32Values() {
  return MakeValues(
      {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x3f800000,
       0xbf800000, 0x3f000000, 0x3fc00000, 0x40200000, 0xc0200000, 0x4b000000, 0x4b800001,
       0x4f000000, 0xcf000000, 0x4f800000, 0x5f000000, 0x7f7fffff, 0xff7fffff, 0x7f800000,
       0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0x42fe0000, 0xc3160000},
      600);
}

inline Values Float64Values() {
  return MakeValues(
      {0, 0x8000000000000000, 1, 0x000fffffffffffff, 0x0010000000000000, 0x3ff0000000000000,
       0xbff0000000000000, 0x3fe0000000000000, 0x4004000000000000, 0x43e0000000000000,
       0xc3e0000000000000, 0x41e0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000,
       0xfff0000000000000, 0x7ff8000000000000, 0x3690000000000000, 0x47efffffefffffff},
      400);
}

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_PTX_PTX_VALUES_H_
