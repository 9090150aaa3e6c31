// AVX-512 with BF16 and VBMI. BF16 and FP8 weights are multiplied by vdpbf16ps, which adds a pair
// of products at a time and flushes denormals: its bits differ from those of the other instruction
// sets.
#include "kernels/cpu/panel_arithmetic_avx512.h"
#include "kernels/cpu/panel_tile.h"
#include "kernels/cpu/row_math.h"

namespace switchyard::kernels::cpu {
namespace {

struct Bf16Pairs : Avx512Sums {
  using Weights = __m512i;
  using X = __m512i;
  static constexpr int kStepBytes = 64;
  static Weights LoadWeights(const std::byte* from) { return _mm512_loadu_si512(from); }
  static X LoadX(uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  static Sums MulAdd(Weights w, X x, Sums sums) {
    return _mm512_dpbf16_ps(sums, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(x));
  }
};

// The high and low bytes of the 128 non-negative e4m3 values as BF16, for byte permutes.
struct E4M3Table {
  alignas(64) uint8_t high[128];
  alignas(64) uint8_t low[128];
};

constexpr E4M3Table MakeE4M3Table() {
  E4M3Table table{};
  for (int code = 0; code < 128; ++code) {
    int exponent = code >> 3, mantissa = code & 7;
    uint16_t bf16 = 0;
    if (code == 127) {
      bf16 = 0x7fc0;  // NaN
    } else if (exponent > 0) {
      bf16 = static_cast<uint16_t>(((exponent - 7 + 127) << 7) | (mantissa << 4));
    } else if (mantissa > 0) {  // mantissa * 2^-9, which is normal in BF16
      exponent = -6;
      for (; mantissa < 8; mantissa <<= 1) --exponent;
      bf16 = static_cast<uint16_t>(((exponent + 127) << 7) | ((mantissa & 7) << 4));
    }
    table.high[code] = static_cast<uint8_t>(bf16 >> 8);
    table.low[code] = static_cast<uint8_t>(bf16 & 0xff);
  }
  return table;
}

constexpr E4M3Table kE4M3 = MakeE4M3Table();

// Widens a step of four e4m3 columns into two steps of BF16 pairs, exactly.
class E4M3Widener {
 public:
  void Widen(const std::byte* from, __m512i& first, __m512i& second) const {
    const __m512i codes = _mm512_loadu_si512(from);
    const __m512i high = _mm512_permutex2var_epi8(high_[0], codes, high_[1]);
    const __m512i low = _mm512_permutex2var_epi8(low_[0], codes, low_[1]);
    constexpr int kAOrBAndC = 0xf8;
    const __m512i with_sign = _mm512_ternarylogic_epi32(high, codes, sign_, kAOrBAndC);
    first = _mm512_unpacklo_epi8(low, with_sign);
    second = _mm512_unpackhi_epi8(low, with_sign);
  }

 private:
  const __m512i high_[2] = {_mm512_load_si512(kE4M3.high), _mm512_load_si512(kE4M3.high + 64)};
  const __m512i low_[2] = {_mm512_load_si512(kE4M3.low), _mm512_load_si512(kE4M3.low + 64)};
  const __m512i sign_ = _mm512_set1_epi8(static_cast<char>(0x80));
};

// Few rows: weights are widened in registers on their way. All P panels and all R rows of the
// block.
template <int P, int R>
__attribute__((noinline)) void MultiplyF8Tile(const PanelBlock& block) {
  constexpr int kQuadBytes = 64;
  const E4M3Widener widener;
  const std::byte* weights = block.weights;
  __m512 sums[R][P];
  for (auto& row : sums) {
    for (__m512& sum : row) sum = _mm512_setzero_ps();
  }
  for (int64_t word = 0; word < block.words; word += 2, weights += P * kQuadBytes) {
    for (int p = 0; p < P; ++p) {
      __m512i first, second;
      widener.Widen(weights + p * kQuadBytes, first, second);
      for (int r = 0; r < R; ++r) {
        const uint32_t* x = block.x + r * block.x_stride + word;
        sums[r][p] = Bf16Pairs::MulAdd(first, Bf16Pairs::LoadX(x[0]), sums[r][p]);
        sums[r][p] = Bf16Pairs::MulAdd(second, Bf16Pairs::LoadX(x[1]), sums[r][p]);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    const float x_scale =
        block.x_scales != nullptr ? block.x_scales[r * block.x_scale_stride] : 1.0f;
    for (int p = 0; p < P; ++p) {
      float* to = block.sums + (r * P + p) * kPanelRows;
      const __m512 before = block.first ? _mm512_setzero_ps() : _mm512_loadu_ps(to);
      const float* scales = block.weight_scales + p * kPanelRows;
      _mm512_storeu_ps(to, Bf16Pairs::Scale(sums[r][p], x_scale, scales, before));
    }
  }
}

// Many rows: the block is widened once into a scratch that stays in the first cache, then
// multiplied like BF16.
template <int P>
__attribute__((noinline)) void MultiplyF8Widened(const PanelBlock& block) {
  constexpr int kStep = Bf16Pairs::kStepBytes;
  alignas(64) std::byte widened[kMaxBlockWords / 2 * P * kStep];
  const E4M3Widener widener;
  const std::byte* from = block.weights;
  std::byte* to = widened;
  for (int64_t word = 0; word < block.words; word += 2, to += 2 * P * kStep) {
    for (int p = 0; p < P; ++p, from += kStep) {
      __m512i first, second;
      widener.Widen(from, first, second);
      _mm512_store_si512(to + p * kStep, first);
      _mm512_store_si512(to + (P + p) * kStep, second);
    }
  }
  PanelBlock bf16 = block;
  bf16.weights = widened;
  bf16.next = from;
  bf16.next_bytes = from - block.weights;
  MultiplyPanels<Bf16Pairs, true>(bf16);
}

template <int P>
void MultiplyF8Panels(const PanelBlock& block) {
  switch (block.rows) {
    case 1:
      return MultiplyF8Tile<P, 1>(block);
    case 2:
      return MultiplyF8Tile<P, 2>(block);
    case 3:
      return MultiplyF8Tile<P, 3>(block);
    case 4:
      return MultiplyF8Tile<P, 4>(block);
    case 5:
      return MultiplyF8Tile<P, 5>(block);
    case 6:
      return MultiplyF8Tile<P, 6>(block);
    default:
      return MultiplyF8Widened<P>(block);
  }
}

void MultiplyF8(const PanelBlock& block) {
  if (block.panels == kGroupPanels) {
    MultiplyF8Panels<kGroupPanels>(block);
  } else {
    MultiplyF8Panels<1>(block);
  }
}

void ToWords(const float* x, int64_t count, uint32_t* out, int64_t words) {
  constexpr int kStep = 16;
  int64_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    const __m256bh pairs = _mm512_cvtneps_pbh(_mm512_loadu_ps(x + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i / 2), reinterpret_cast<__m256i>(pairs));
  }
  for (; i < 2 * words; i += kStep) {
    const auto some = [](int64_t n) {  // the first n of 16 lanes
      return static_cast<__mmask16>(n >= kStep ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
    };
    const __m256bh pairs = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(some(count - i), x + i));
    _mm256_mask_storeu_epi16(out + i / 2, some(2 * words - i), reinterpret_cast<__m256i>(pairs));
  }
}

}  // namespace

constinit const PanelKernels kAvx512Bf16Kernels = {
    .bf16_words = WordForm::kBf16Pairs,
    .order = {{.step_columns = 2}, {.step_columns = 1}, {.step_columns = 4, .quad = true}},
    .multiply = {MultiplyPanels<Bf16Pairs, false>, MultiplyPanels<F32, false>, MultiplyF8},
    .ints = &kAvx2IntKernels,
    .to_words = ToWords,
    .quantize = QuantizeRow,
    .amax = AmaxOfRow,
    .silu_mul = SiluMulRow,
};

}  // namespace switchyard::kernels::cpu
