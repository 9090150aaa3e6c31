#include "emulator/ptx/tensor_fragment.h"

#include <cstring>

namespace emu {
namespace {

// The elements of one register's lanes, [lane][E].
struct Elements {
  float values[kMacLanes * 4];
  int per_lane;
};

void DecodeRegister(Format format, const uint32_t* lanes, Elements* out) {
  out->per_lane = 4 / TraitsOf(format).bytes;
  DecodeElements(format, reinterpret_cast<const std::byte*>(lanes),
                 static_cast<size_t>(kMacLanes * out->per_lane), out->values);
}

}  // namespace

void PackFragmentA(Format format, const uint32_t* const* registers, int count, float scale,
                   PackedA* a) {
  Elements elements;
  for (int r = 0; r < count; ++r) {
    DecodeRegister(format, registers[r], &elements);
    const int e_count = elements.per_lane;
    for (int lane = 0; lane < kMacLanes; ++lane) {
      const int row = lane / 4 + 8 * (r & 1);
      const int k = e_count * (lane % 4) + 4 * e_count * (r >> 1);
      for (int e = 0; e < e_count; ++e) {
        PackElementA(scale * elements.values[lane * e_count + e], row, k + e, a);
      }
    }
  }
}

void PackFragmentB(Format format, const uint32_t* const* registers, int count, PackedB* b) {
  Elements elements;
  for (int r = 0; r < count; ++r) {
    DecodeRegister(format, registers[r], &elements);
    const int e_count = elements.per_lane;
    for (int lane = 0; lane < kMacLanes; ++lane) {
      const int k = e_count * (lane % 4) + 4 * e_count * r;
      for (int e = 0; e < e_count; ++e) {
        b->values[(k + e) * 8 + MacColumn(lane / 4)] = elements.values[lane * e_count + e];
      }
    }
  }
}

void PackRowA(const float* elements, int k, int row, float scale, PackedA* a) {
  for (int i = 0; i < k; ++i) PackElementA(scale * elements[i], row, i, a);
}

void RunMac(bool h100, const StepRules& rules, const WarpMac& mac) {
  if (h100) {
    MacH100(rules, mac);
  } else {
    MacFast(mac);
  }
}

}  // namespace emu
