// One tile of a product: P panels x R rows, their sums in registers over a block of K. Written once
// over an Arithmetic, which a panel_kernels_*.cc defines in its unnamed namespace, so that nothing
// compiled here for one instruction set can leak into another:
//
//   using Sums, Weights, X;                     16 floats; a panel's share of a word; a word
//   static constexpr int kMaxPanels, kMaxRows;  the largest tile that the registers hold
//   static constexpr int kStepBytes;            of one panel and one word
//   Sums Zero();
//   Sums Load(const float*);
//   void Store(float*, Sums);
//   Weights LoadWeights(const std::byte*);      or, for P panels side by side at once,
//   void LoadStep(const std::byte*, Weights (&w)[P]);
//   X LoadX(uint32_t);
//   Sums MulAdd(Weights, X, Sums sums);         sums + weights * x
//   Sums Scale(Sums block, float x_scale, const float* weight_scales, Sums sums);
//                                               sums + (block * x_scale) * weight_scales
#ifndef SWITCHYARD_KERNELS_CPU_PANEL_TILE_H_
#define SWITCHYARD_KERNELS_CPU_PANEL_TILE_H_

#include <cstring>
#include <utility>

#include "kernels/cpu/panel_kernels.h"

namespace switchyard::kernels::cpu {

// Memory that a tile fetches while it computes, some cache lines per word.
struct Prefetch {
  static constexpr int64_t kLine = 64;
  const std::byte* from = nullptr;
  int64_t lines_per_word = 0;

  // The part of `tile` when the tiles of a block share the block's next bytes; the first ones take
  // all if there are many.
  static Prefetch Share(const PanelBlock& block, int64_t tile, int64_t tiles) {
    const int64_t lines = block.words > 0 ? block.next_bytes / (kLine * block.words) : 0;
    const int64_t share = (lines + tiles - 1) / tiles;
    if (tile * share >= lines) return {};
    return {.from = block.next + tile * share * block.words * kLine, .lines_per_word = share};
  }
};

// Rows [row, row + R) and panels [panel, panel + P) of the block. A function of its own, so that
// the compiler gives all registers to its one loop.
template <class A, int P, int R, bool kScaled>
__attribute__((noinline)) void MultiplyTile(const PanelBlock& block, int64_t row, int panel,
                                            const Prefetch& prefetch) {
  const int64_t stride = static_cast<int64_t>(block.panels) * A::kStepBytes;
  const int64_t width = static_cast<int64_t>(block.panels) * kPanelRows;
  const std::byte* weights = block.weights + panel * A::kStepBytes;
  // Rows 3i, 3i + 1 and 3i + 2 are reached from one pointer by the address's own scale: a pointer
  // for each row would not fit the general registers.
  constexpr int kPointers = (R + 2) / 3;
  const int64_t row_bytes = block.x_stride * static_cast<int64_t>(sizeof(uint32_t));
  const std::byte* x[kPointers];
  for (int i = 0; i < kPointers; ++i) {
    x[i] = reinterpret_cast<const std::byte*>(block.x) + (row + 3 * i) * row_bytes;
  }
  float* out = block.sums + row * width + panel * kPanelRows;

  typename A::Sums sums[R][P];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) {
      const bool zero = kScaled || block.first;
      sums[r][p] = zero ? A::Zero() : A::Load(out + r * width + p * kPanelRows);
    }
  }
  const std::byte* fetch = prefetch.from;
  for (int64_t word = 0; word < block.words; ++word, weights += stride) {
    for (int64_t line = 0; line < prefetch.lines_per_word; ++line, fetch += Prefetch::kLine) {
      __builtin_prefetch(fetch);
    }
    typename A::Weights w[P];
    if constexpr (requires { A::LoadStep(weights, w); }) {
      A::LoadStep(weights, w);
    } else {
      for (int p = 0; p < P; ++p) w[p] = A::LoadWeights(weights + p * A::kStepBytes);
    }
    for (int r = 0; r < R; ++r) {
      uint32_t bits;
      memcpy(&bits, x[r / 3] + r % 3 * row_bytes, sizeof(bits));
      const typename A::X value = A::LoadX(bits);
      for (int p = 0; p < P; ++p) sums[r][p] = A::MulAdd(w[p], value, sums[r][p]);
    }
    for (const std::byte*& pointer : x) pointer += sizeof(uint32_t);
  }
  for (int r = 0; r < R; ++r) {
    const float x_scale = kScaled && block.x_scales != nullptr
                              ? block.x_scales[(row + r) * block.x_scale_stride]
                              : 1.0f;
    for (int p = 0; p < P; ++p) {
      float* to = out + r * width + p * kPanelRows;
      if constexpr (kScaled) {
        const typename A::Sums before = block.first ? A::Zero() : A::Load(to);
        const float* scales = block.weight_scales + (panel + p) * kPanelRows;
        sums[r][p] = A::Scale(sums[r][p], x_scale, scales, before);
      }
      A::Store(to, sums[r][p]);
    }
  }
}

// A tile whose height is known at run time; kLess are 0 to kMaxRows - 1.
template <class A, int P, bool kScaled, int... kLess>
void MultiplyTileOf(int64_t height, const PanelBlock& block, int64_t row, int panel,
                    const Prefetch& prefetch, std::integer_sequence<int, kLess...>) {
  static constexpr decltype(&MultiplyTile<A, P, 1, kScaled>) kTiles[] = {
      MultiplyTile<A, P, kLess + 1, kScaled>...};
  kTiles[height - 1](block, row, panel, prefetch);
}

// All rows for P panels: tiles of equal height, as few as there can be.
template <class A, int P, bool kScaled>
void MultiplyRows(const PanelBlock& block, int panel) {
  const int64_t tiles = (block.rows + A::kMaxRows - 1) / A::kMaxRows;
  int64_t row = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t height = (block.rows - row + tiles - tile - 1) / (tiles - tile);
    const Prefetch prefetch = panel == 0 ? Prefetch::Share(block, tile, tiles) : Prefetch{};
    MultiplyTileOf<A, P, kScaled>(height, block, row, panel, prefetch,
                                  std::make_integer_sequence<int, A::kMaxRows>());
    row += height;
  }
}

template <class A, bool kScaled>
void MultiplyPanels(const PanelBlock& block) {
  if (A::kMaxPanels == kGroupPanels && block.panels == kGroupPanels) {
    return MultiplyRows<A, A::kMaxPanels, kScaled>(block, 0);
  }
  for (int panel = 0; panel < block.panels; ++panel) MultiplyRows<A, 1, kScaled>(block, panel);
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PANEL_TILE_H_
