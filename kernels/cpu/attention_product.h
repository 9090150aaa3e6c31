// The register tile of naive attention: some rows times a panel, as a template over a Dot type
// (attention_dot.h).
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_PRODUCT_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_PRODUCT_H_

#include <cstdint>

#include "kernels/cpu/attention_kernels.h"

namespace switchyard::kernels::cpu {

// A panel is [num_units, kColumns]: what one register tile covers of the wider matrix.
template <class Dot>
inline constexpr int64_t kPanelColumns = Dot::V::kTileVecs* Dot::V::kLanes;

struct PanelProductArgs {
  const float* a;        // units [rows, num_units], of Dot::kParts floats each
  int64_t a_stride = 0;  // floats
  const float* panel;
  int64_t num_units;
  float* c;  // [rows, kColumns]
  int64_t c_stride = 0;
  const float* decay = nullptr;  // one per row; for Add alone
};

// c = a panel (Begin), or c = c * decay + a panel (Add), for 1 to V::kTileRows rows. A row's bits
// do not depend on how many there are, and adding the units in several calls, with a decay of 1
// after the first, is the same as in one.
template <class Dot>
class PanelProduct {
 public:
  static void Begin(int64_t num_rows, const PanelProductArgs& args) {
    kBegin.by_rows[num_rows](args);
  }
  static void Add(int64_t num_rows, const PanelProductArgs& args) { kAdd.by_rows[num_rows](args); }

 private:
  using V = typename Dot::V;
  using F = typename V::F;
  static constexpr int kRows = V::kTileRows;
  static constexpr int kVecs = V::kTileVecs;
  static constexpr int kLanes = V::kLanes;
  static_assert(kRows <= kMaxTileRows && kPanelColumns<Dot> <= kMaxTileColumns);

  template <int kNumRows, bool kBegins>
  static void Tile(const PanelProductArgs& args) {
    F sums[kNumRows][kVecs];
    for (int r = 0; r < kNumRows; ++r) {
      for (int v = 0; v < kVecs; ++v) {
        if constexpr (kBegins) {
          sums[r][v] = V::Zero();
        } else {
          const F old = V::Load(args.c + r * args.c_stride + v * kLanes);
          sums[r][v] = V::Mul(old, V::Set(args.decay[r]));
        }
      }
    }
    const float* panel = args.panel;
    for (int64_t unit = 0; unit < args.num_units; ++unit, panel += kPanelColumns<Dot>) {
      const float* a = args.a + unit * Dot::kParts;
      Step<kNumRows, 0>(a, args.a_stride, panel, sums);
      if constexpr (Dot::kParts == 2) Step<kNumRows, 1>(a + 1, args.a_stride, panel, sums);
    }
    for (int r = 0; r < kNumRows; ++r) {
      for (int v = 0; v < kVecs; ++v) {
        V::Store(args.c + r * args.c_stride + v * kLanes, sums[r][v]);
      }
    }
  }

  template <int kNumRows, int kPart>
  static void Step(const float* a, int64_t a_stride, const float* panel,
                   F (&sums)[kNumRows][kVecs]) {
    F columns[kVecs];
    for (int v = 0; v < kVecs; ++v) {
      columns[v] = Dot::template Part<kPart>(V::Load(panel + v * kLanes));
    }
    for (int r = 0; r < kNumRows; ++r) {
      const F row = V::Set(a[r * a_stride]);
      for (int v = 0; v < kVecs; ++v) sums[r][v] = Dot::Step(sums[r][v], columns[v], row);
    }
  }

  // More rows than the tile has are never asked for.
  template <bool kBegins>
  struct Tiles {
    void (*by_rows[kMaxTileRows + 1])(const PanelProductArgs&) = {
        nullptr,
        Tile<1, kBegins>,
        Tile < kRows<2 ? 1 : 2, kBegins>,
        Tile < kRows<3 ? 1 : 3, kBegins>,
        Tile < kRows<4 ? 1 : 4, kBegins>,
        Tile < kRows<5 ? 1 : 5, kBegins>,
        Tile < kRows<6 ? 1 : 6, kBegins>,
    };
  };
  static constexpr Tiles<true> kBegin{};
  static constexpr Tiles<false> kAdd{};
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_PRODUCT_H_
