// Plain C++ for every other CPU: loops over the lanes of a panel, which a compiler may vectorise
// without changing a bit. Products and sums are rounded separately: a fused multiply-add without
// hardware for it is a library call.
#include "kernels/cpu/panel_kernels.h"
#include "kernels/cpu/panel_tile.h"
#include "kernels/cpu/row_math.h"

namespace switchyard::kernels::cpu {
namespace {

struct Lanes {
  float v[kPanelRows];
};

struct PortableSums {
  using Sums = Lanes;
  using Weights = Lanes;
  using X = float;
  static constexpr int kMaxPanels = 1;
  static constexpr int kMaxRows = 6;

  static Sums Zero() { return {}; }
  static Sums Load(const float* from) {
    Lanes lanes;
    memcpy(lanes.v, from, sizeof(lanes.v));
    return lanes;
  }
  static void Store(float* to, const Sums& sums) { memcpy(to, sums.v, sizeof(sums.v)); }
  static X LoadX(uint32_t word) { return FloatOf(word); }
  static Sums MulAdd(const Weights& w, X x, Sums sums) {
    for (int i = 0; i < kPanelRows; ++i) sums.v[i] += w.v[i] * x;
    return sums;
  }
  static Sums Scale(const Sums& block, float x_scale, const float* weight_scales, Sums sums) {
    for (int i = 0; i < kPanelRows; ++i) sums.v[i] += block.v[i] * x_scale * weight_scales[i];
    return sums;
  }
};

struct F32 : PortableSums {
  static constexpr int kStepBytes = 64;
  static Weights LoadWeights(const std::byte* from) {
    return Load(reinterpret_cast<const float*>(from));
  }
};

struct Bf16 : PortableSums {
  static constexpr int kStepBytes = 32;
  static Weights LoadWeights(const std::byte* from) {
    uint16_t narrow[kPanelRows];
    memcpy(narrow, from, sizeof(narrow));
    Lanes lanes;
    for (int i = 0; i < kPanelRows; ++i)
      lanes.v[i] = FloatOf(static_cast<uint32_t>(narrow[i]) << 16);
    return lanes;
  }
};

struct F8 : PortableSums {
  static constexpr int kStepBytes = 16;
  static Weights LoadWeights(const std::byte* from) {
    uint8_t codes[kPanelRows];
    memcpy(codes, from, sizeof(codes));
    Lanes lanes;
    for (int i = 0; i < kPanelRows; ++i) lanes.v[i] = Widen(codes[i]);
    return lanes;
  }

 private:
  // Exponent and mantissa move to their places in an F32; the difference of the exponent biases is
  // multiplied in, which is exact for subnormals too.
  static float Widen(uint32_t code) {
    const uint32_t magnitude = code & 0x7f;
    const uint32_t value = FloatBits(FloatOf(magnitude << 20) * 0x1p120f);
    const uint32_t nan = magnitude == 0x7f ? 0x7fc00000u : 0;
    return FloatOf(value | nan | (code & 0x80) << 24);
  }
};

}  // namespace

constinit const PanelKernels kPortableKernels = {
    .bf16_words = WordForm::kF32,
    .order = {},
    .multiply = {MultiplyPanels<Bf16, false>, MultiplyPanels<F32, false>, MultiplyPanels<F8, true>},
    .ints = &kPortableIntKernels,
    .to_words = RoundRowToBf16,
    .quantize = QuantizeRow,
    .amax = AmaxOfRow,
    .silu_mul = SiluMulRow,
};

}  // namespace switchyard::kernels::cpu
