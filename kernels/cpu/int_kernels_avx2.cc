// Whole numbers by AVX2: unsigned times signed bytes, pairs added to 16 bits (`vpmaddubsw`).
#include <immintrin.h>

#include "kernels/cpu/int_kernels.h"
#include "kernels/cpu/int_rows.h"
#include "kernels/cpu/panel_kernels.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int kHalf = 8;         // rows of a panel in one register
constexpr int kMaxTileRows = 4;  // with two sums each and the weights of a step they fit 16

__m256i Load(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// Eight rows of a panel: whole numbers of a part, then floats of a group.
struct Halves {
  __m256i v[2];
};
struct Floats {
  __m256 v[2];
};

// Codes 0 to 15: 4 steps of products of a pair, at most 2 * 15 * 127 each, fit 16 bits, also where
// they begin with -kMiddleCode times the sum of a part, at most 8 * 16 * 127 either way.
struct U4 {
  static constexpr bool kUnsigned = true;
  static constexpr int kStepBytes = 32;
  static Halves LoadStep(const std::byte* from) {
    const __m256i both = Load(from), mask = _mm256_set1_epi8(15);
    return {_mm256_and_si256(both, mask), _mm256_and_si256(_mm256_srli_epi16(both, 4), mask)};
  }
  static __m256i MulAdd(__m256i w, __m256i x, __m256i sum) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
    asm("" : "+x"(sum));  // else GCC adds the steps as a tree, of more values than registers
    return sum;
  }
  static __m256i Finish(__m256i sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
};

// One factor must be unsigned: the weight's sign goes to the activation. Products of a pair, at
// most 2 * 128 * 127, just fit 16 bits.
struct I8 {
  static constexpr bool kUnsigned = false;
  static constexpr int kStepBytes = 64;
  static Halves LoadStep(const std::byte* from) { return {Load(from), Load(from + 32)}; }
  static __m256i MulAdd(__m256i w, __m256i x, __m256i sum) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    asm("" : "+x"(sum));
    return sum;
  }
  static __m256i Finish(__m256i sum) { return sum; }
};

Floats LoadFloats(const float* from) {
  return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + kHalf)};
}
void Store(float* to, const Floats& floats) {
  _mm256_storeu_ps(to, floats.v[0]);
  _mm256_storeu_ps(to + kHalf, floats.v[1]);
}

__m256i ZerosOf(const std::byte* zeros, int half) {
  return _mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros + half * kHalf)));
}
__m256 ScalesOf(const std::byte* scales, int half) {
  return _mm256_cvtph_ps(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(scales + half * kHalf * 2)));
}

// The sum of a part's whole numbers: all of it is in the lower 16 bits of each lane.
__m256i SumOf(const float* x_scale_and_sum) {
  return _mm256_castps_si256(_mm256_broadcast_ss(x_scale_and_sum + 1));
}

// What a part begins with. Without zero points: what the middle code adds to every code.
template <class F, bool kZeros>
__m256i Begin(const float* x_scale_and_sum) {
  if (!F::kUnsigned || kZeros) return _mm256_setzero_si256();
  const __m256i middle = _mm256_set1_epi32(static_cast<uint16_t>(-kMiddleCode));
  return _mm256_mullo_epi16(SumOf(x_scale_and_sum), middle);
}

// sums + (part - zero * the activations' sum) * the activations' scale; the difference is exact.
template <class F, bool kZeros>
Floats AddPart(const Halves& part, const std::byte* zeros, const float* x_scale_and_sum,
               const Floats& sums) {
  const __m256 scale = _mm256_broadcast_ss(x_scale_and_sum);
  Floats result;
  for (int h = 0; h < 2; ++h) {
    __m256i whole = F::Finish(part.v[h]);
    if constexpr (kZeros) {
      const __m256i zero = _mm256_madd_epi16(ZerosOf(zeros, h), SumOf(x_scale_and_sum));
      whole = _mm256_sub_epi32(whole, zero);
    }
    result.v[h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sums.v[h]);
  }
  return result;
}

// Rows [row, row + R) and panels [panel, panel + P) of the block; kWords of a part, or 0: as many
// as the block says. Arrays are filled by loops, for those that are cleared as a whole stay in
// memory.
template <class F, int P, int R, bool kZeros, int kWords>
__attribute__((noinline)) void MultiplyTile(const IntBlock& block, int64_t row, int panel) {
  const int64_t width = static_cast<int64_t>(block.panels) * kPanelRows;
  const int64_t scale_bytes = width * 2, zero_bytes = kZeros ? width : 0;
  const int64_t stride = static_cast<int64_t>(block.panels) * F::kStepBytes;
  const int64_t group_words = block.parts * block.part_words;
  const int64_t group_bytes = scale_bytes + zero_bytes + group_words * stride;
  const int64_t x_stride = block.x_stride, x_scale_stride = block.x_scale_stride;
  const int words = kWords > 0 ? kWords : block.part_words;
  const uint32_t* x = block.x + row * x_stride;
  const float* x_scales = block.x_scales + row * x_scale_stride;
  float* const out = block.sums + row * width + panel * kPanelRows;

  Floats sums[R][P];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) {
      const Floats zero = {_mm256_setzero_ps(), _mm256_setzero_ps()};
      sums[r][p] = block.first ? zero : LoadFloats(out + r * width + p * kPanelRows);
    }
  }
  const std::byte* group = block.weights;
  for (int64_t g = 0; g < block.groups; ++g, group += group_bytes) {
    const std::byte* codes = group + scale_bytes + zero_bytes + panel * F::kStepBytes;
    const std::byte* const zeros = group + scale_bytes + panel * kPanelRows;
    Floats of_group[R][P];
    for (int r = 0; r < R; ++r) {
      for (int p = 0; p < P; ++p) of_group[r][p] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    }
    for (int64_t part = 0; part < block.parts; ++part, x_scales += 2) {
      Halves of_part[R][P];
      for (int r = 0; r < R; ++r) {
        const __m256i begin = Begin<F, kZeros>(x_scales + r * x_scale_stride);
        for (int p = 0; p < P; ++p) of_part[r][p] = {begin, begin};
      }
#pragma GCC unroll 4
      for (int word = 0; word < words; ++word, ++x, codes += stride) {
        for (int p = 0; p < P; ++p) {
          const Halves w = F::LoadStep(codes + p * F::kStepBytes);
          for (int r = 0; r < R; ++r) {
            const __m256i value = _mm256_set1_epi32(static_cast<int>(x[r * x_stride]));
            for (int h = 0; h < 2; ++h) {
              of_part[r][p].v[h] = F::MulAdd(w.v[h], value, of_part[r][p].v[h]);
            }
          }
        }
      }
      for (int r = 0; r < R; ++r) {
        for (int p = 0; p < P; ++p) {
          of_group[r][p] = AddPart<F, kZeros>(of_part[r][p], zeros + p * kPanelRows,
                                              x_scales + r * x_scale_stride, of_group[r][p]);
        }
      }
    }
    for (int p = 0; p < P; ++p) {
      for (int h = 0; h < 2; ++h) {
        const __m256 scales = ScalesOf(group + (panel + p) * kPanelRows * 2, h);
        for (int r = 0; r < R; ++r) {
          sums[r][p].v[h] = _mm256_fmadd_ps(of_group[r][p].v[h], scales, sums[r][p].v[h]);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) Store(out + r * width + p * kPanelRows, sums[r][p]);
  }
}

template <class F, bool kZeros, int kWords>
void MultiplyRows(const IntBlock& block) {
  if (block.rows == 1 && block.panels == 2) {
    return MultiplyTile<F, 2, 1, kZeros, kWords>(block, 0, 0);
  }
  if (block.rows == 2 && block.panels == 2) {
    return MultiplyTile<F, 2, 2, kZeros, kWords>(block, 0, 0);
  }
  constexpr decltype(&MultiplyTile<F, 1, 1, kZeros, kWords>) kTiles[kMaxTileRows] = {
      MultiplyTile<F, 1, 1, kZeros, kWords>, MultiplyTile<F, 1, 2, kZeros, kWords>,
      MultiplyTile<F, 1, 3, kZeros, kWords>, MultiplyTile<F, 1, 4, kZeros, kWords>};
  for (int panel = 0; panel < block.panels; ++panel) {
    for (int64_t row = 0; row < block.rows; row += kMaxTileRows) {
      const int64_t height = block.rows - row < kMaxTileRows ? block.rows - row : kMaxTileRows;
      kTiles[height - 1](block, row, panel);
    }
  }
}

template <class F, bool kZeros>
void Multiply(const IntBlock& block) {
  if (block.part_words == kMaxPartWords) return MultiplyRows<F, kZeros, kMaxPartWords>(block);
  return MultiplyRows<F, kZeros, 0>(block);
}

void MultiplyU4(const IntBlock& block) {
  return block.zeros ? Multiply<U4, true>(block) : Multiply<U4, false>(block);
}

}  // namespace

constinit const IntKernels kAvx2IntKernels = {.multiply = {MultiplyU4, Multiply<I8, false>},
                                              .quantise = QuantiseIntRow};

}  // namespace switchyard::kernels::cpu
