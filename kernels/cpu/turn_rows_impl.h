// turn_rows.h for vectors of one width, which are one panel or two side by side. Included by the
// file of each instruction set, in its own namespace.
#ifndef SWITCHYARD_KERNELS_CPU_TURN_ROWS_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_TURN_ROWS_IMPL_H_

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/cpu/turn_rows.h"

namespace switchyard::kernels::cpu {
namespace {

// Of each panel 16 bytes, kPanels of them.
template <typename T, int kPanels>
struct VectorOf {
  typedef T Type __attribute__((vector_size(kTurnBytes * kPanels)));
};

// Of two vectors, element by element, in each panel's 16 bytes: their first halves (kHalf 0), or
// their second ones.
template <int kHalf, typename T, int kPanels, size_t... kIndex>
typename VectorOf<T, kPanels>::Type Interleaved(const typename VectorOf<T, kPanels>::Type& a,
                                                const typename VectorOf<T, kPanels>::Type& b,
                                                std::index_sequence<kIndex...>) {
  constexpr int kAll = sizeof...(kIndex), kCount = kAll / kPanels;
  constexpr auto kFrom = [](int i) {
    return i / kCount * kCount + kHalf * kCount / 2 + i % kCount / 2 + (i % 2 != 0 ? kAll : 0);
  };
  return __builtin_shufflevector(a, b, kFrom(static_cast<int>(kIndex))...);
}

template <typename T, int kPanels>
class Turner {
 public:
  using V = typename VectorOf<T, kPanels>::Type;
  static constexpr int kColumns = kTurnBytes / int64_t{sizeof(T)};
  static constexpr int64_t kStepBytes = kPanelRows * int64_t{sizeof(T)};

  static V Load(const PanelRowPointers* panels, int row, int64_t at) {
    V vector;
    auto* const to = reinterpret_cast<std::byte*>(&vector);
    for (int panel = 0; panel < kPanels; ++panel) {
      memcpy(to + panel * kTurnBytes, panels[panel][static_cast<size_t>(row)] + at, kTurnBytes);
    }
    return vector;
  }
  // Part `part` of 16 bytes of a step: each panel's own.
  static void Store(const V& vector, int64_t part, std::byte* to) {
    const auto* const from = reinterpret_cast<const std::byte*>(&vector);
    for (int panel = 0; panel < kPanels; ++panel) {
      memcpy(to + panel * kStepBytes + part * kTurnBytes, from + panel * kTurnBytes, kTurnBytes);
    }
  }
  static V Low(const V& a, const V& b) { return Interleaved<0, T, kPanels>(a, b, kAll); }
  static V High(const V& a, const V& b) { return Interleaved<1, T, kPanels>(a, b, kAll); }

 private:
  static constexpr auto kAll = std::make_index_sequence<size_t{kColumns} * kPanels>();
};

// All columns of 16 bytes of each row. With rows and columns as bits of an element's place,
// interleaving the upper half of the rows with the lower one moves one bit of the row behind those
// of the column: four times, and all is turned.
template <typename T, int kPanels>
[[gnu::always_inline]] inline void TurnBlock(const PanelRowPointers* from, int64_t at,
                                             int64_t stride, std::byte* to) {
  using By = Turner<T, kPanels>;
  typename By::V rows[kPanelRows], turned[kPanelRows];
#pragma GCC unroll 16
  for (int row = 0; row < kPanelRows; ++row) rows[row] = By::Load(from, row, at);
#pragma GCC unroll 4
  for (int round = 0; round < 4; ++round) {
#pragma GCC unroll 8
    for (int row = 0; row < kPanelRows / 2; ++row) {
      turned[2 * row] = By::Low(rows[row], rows[row + kPanelRows / 2]);
      turned[2 * row + 1] = By::High(rows[row], rows[row + kPanelRows / 2]);
    }
#pragma GCC unroll 16
    for (int row = 0; row < kPanelRows; ++row) rows[row] = turned[row];
  }
  constexpr int kParts = sizeof(T);  // of 16 bytes, in a panel's step
#pragma GCC unroll 16
  for (int row = 0; row < kPanelRows; ++row) {
    By::Store(rows[row], row % kParts, to + row / kParts * stride);
  }
}

template <typename T, int kPanels>
void TurnElements(const TurnArgs& args) {
  constexpr int64_t kColumns = kTurnBytes / int64_t{sizeof(T)};
  constexpr int64_t kStepBytes = kPanelRows * int64_t{sizeof(T)} * kPanels;
  std::byte* to = args.to;
  int64_t step = 0;
  for (; step + kColumns <= args.steps; step += kColumns, to += kColumns * args.stride) {
    TurnBlock<T, kPanels>(args.rows, step * int64_t{sizeof(T)}, args.stride, to);
  }
  if (step == args.steps) return;
  std::byte last[kColumns * kStepBytes];
  TurnBlock<T, kPanels>(args.rows, step * int64_t{sizeof(T)}, kStepBytes, last);
  for (int64_t i = 0; step + i < args.steps; ++i) {
    memcpy(to + i * args.stride, last + i * kStepBytes, kStepBytes);
  }
}

// Four rows' columns (0, 1) and then their columns (2, 3): pairs of columns are elements, and two
// rounds turn four rows.
template <int kPanels>
void TurnQuads(const TurnArgs& args) {
  using By = Turner<uint16_t, kPanels>;
  constexpr int64_t kRows = 4, kStepBytes = kPanelRows * kRows;
  for (int64_t step = 0; step < args.steps; step += kRows) {
    const int64_t steps = std::min(kRows, args.steps - step);
    for (int first = 0; first < kPanelRows; first += kRows) {
      typename By::V rows[kRows];
      for (int row = 0; row < kRows; ++row) {
        rows[row] = By::Load(args.rows, first + row, step * kRows);
      }
      const typename By::V even[] = {By::Low(rows[0], rows[2]), By::High(rows[0], rows[2])};
      const typename By::V odd[] = {By::Low(rows[1], rows[3]), By::High(rows[1], rows[3])};
      for (int64_t i = 0; i < steps; ++i) {
        const typename By::V turned =
            i % 2 == 0 ? By::Low(even[i / 2], odd[i / 2]) : By::High(even[i / 2], odd[i / 2]);
        std::byte* const to = args.to + (step + i) * args.stride + first / kRows * kTurnBytes;
        const auto* const from = reinterpret_cast<const std::byte*>(&turned);
        for (int panel = 0; panel < kPanels; ++panel) {
          memcpy(to + panel * kStepBytes, from + panel * kTurnBytes, kTurnBytes);
        }
      }
    }
  }
}

// Both panels at once where vectors are as wide, else one after the other.
template <void (*kOne)(const TurnArgs&), void (*kTwo)(const TurnArgs&), int64_t kStepBytes>
void TurnPanels(const TurnArgs& args) {
  if (args.panels == kGroupPanels && kTwo != nullptr) return kTwo(args);
  for (int panel = 0; panel < args.panels; ++panel) {
    TurnArgs one = args;
    one.rows += panel;
    one.to += panel * kStepBytes;
    kOne(one);
  }
}

}  // namespace
}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_TURN_ROWS_IMPL_H_
