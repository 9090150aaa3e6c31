// Row kernels as templates over a vector type V (vec_portable.h says what it offers). Included by
// row_kernels_*.cc alone.
#ifndef SWITCHYARD_KERNELS_CPU_ROW_KERNELS_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_ROW_KERNELS_IMPL_H_

#include <cmath>

#include "kernels/cpu/row_kernels.h"

namespace switchyard::kernels::cpu {

template <class V>
struct RowKernelsImpl {
  using F = typename V::F;
  static constexpr int kLanes = V::kLanes;

  // How one vector of a row is reached: all its lanes, or the first of them at the row's end.
  struct AllLanes {
    template <typename T>
    F Load(const T* p) const {
      return V::Load(p);
    }
    template <typename T>
    void Store(T* p, F x) const {
      V::Store(p, x);
    }
  };
  struct FirstLanes {
    int64_t count;
    template <typename T>
    F Load(const T* p) const {
      return V::LoadPart(p, count);
    }
    template <typename T>
    void Store(T* p, F x) const {
      V::StorePart(p, x, count);
    }
  };

  // step(lanes, i) for the vectors at columns i of a row of n.
  template <typename Step>
  static void Walk(int64_t n, Step step) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) step(AllLanes{}, i);
    if (i < n) step(FirstLanes{n - i}, i);
  }

  template <typename From, typename To>
  static void Convert(const From* x, To* y, int64_t n) {
    Walk(n, [=](auto lanes, int64_t i) { lanes.Store(y + i, lanes.Load(x + i)); });
  }

  static void Add(float* x, const float* delta, int64_t n) {
    Walk(n, [=](auto lanes, int64_t i) {
      lanes.Store(x + i, V::Add(lanes.Load(x + i), lanes.Load(delta + i)));
    });
  }

  static void Scale(float* x, float factor, int64_t n) {
    Walk(n, [=](auto lanes, int64_t i) {
      lanes.Store(x + i, V::Mul(lanes.Load(x + i), V::Set(factor)));
    });
  }

  // Four sums side by side, so that additions overlap; joined as a tree.
  static float SumOfSquares(const float* x, int64_t n) {
    F sums[4] = {V::Zero(), V::Zero(), V::Zero(), V::Zero()};
    int64_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
      for (int j = 0; j < 4; ++j) {
        const F v = V::Load(x + i + j * kLanes);
        sums[j] = V::MulAdd(v, v, sums[j]);
      }
    }
    Walk(n - i, [&](auto lanes, int64_t rest) {
      const F v = lanes.Load(x + i + rest);
      sums[0] = V::MulAdd(v, v, sums[0]);
    });
    return V::Sum(V::Add(V::Add(sums[0], sums[1]), V::Add(sums[2], sums[3])));
  }

  static void RmsNorm(float* x, const float* delta, const float* weight, float eps, float* y,
                      int64_t n) {
    if (delta != nullptr) Add(x, delta, n);
    const float mean = SumOfSquares(x, n) / static_cast<float>(n);
    const F inverse = V::Set(1.0f / std::sqrt(mean + eps));
    Walk(n, [=](auto lanes, int64_t i) {
      lanes.Store(y + i, V::Mul(V::Mul(lanes.Load(x + i), inverse), lanes.Load(weight + i)));
    });
  }

  static void Rope(float* x, const float* table, int64_t n) {
    Walk(n, [=](auto lanes, int64_t i) {
      lanes.Store(x + i, V::RotatePairs(lanes.Load(x + i), lanes.Load(table + i)));
    });
  }

  static void RopeHalves(float* x, const float* table, int64_t n) {
    const int64_t half = n / 2;
    Walk(half, [=](auto lanes, int64_t i) {
      const F a = lanes.Load(x + i), b = lanes.Load(x + half + i);
      const F cos = lanes.Load(table + i), sin = lanes.Load(table + half + i);
      lanes.Store(x + i, V::Sub(V::Mul(a, cos), V::Mul(b, sin)));
      lanes.Store(x + half + i, V::MulAdd(a, sin, V::Mul(b, cos)));
    });
  }

  // Adds leaves as a binary counter carries: after each leaf, finished subtrees of one size are
  // joined.
  static void TreeSum(const float* parts, int64_t num_parts, int64_t stride, float* y, int64_t n) {
    Walk(n, [=](auto lanes, int64_t i) {
      F open[64];
      int num_open = 0;
      for (int64_t leaf = 0; leaf < num_parts; ++leaf) {
        F sum = lanes.Load(parts + leaf * stride + i);
        for (int64_t carry = leaf; carry & 1; carry >>= 1) sum = V::Add(open[--num_open], sum);
        open[num_open++] = sum;
      }
      lanes.Store(y + i, open[0]);
    });
  }

  template <typename T>
  static void Combine(const WeightedSum<T>& args) {
    Walk(args.num_columns, [&](auto lanes, int64_t i) {
      F sum = V::Mul(V::Set(args.weights[0]), lanes.Load(args.rows[0] + i));
      for (int64_t j = 1; j < args.num_slots; ++j) {
        sum = V::MulAdd(V::Set(args.weights[j]), lanes.Load(args.rows[j] + i), sum);
      }
      if (args.base != nullptr) sum = V::Add(lanes.Load(args.base + i), sum);
      lanes.Store(args.y + i, sum);
    });
  }

  static constexpr RowKernels kTable = {
      .widen_bf16 = Convert<Bf16, float>,
      .widen_f16 = Convert<F16, float>,
      .narrow_bf16 = Convert<float, Bf16>,
      .add = Add,
      .scale = Scale,
      .rms_norm = RmsNorm,
      .rope = Rope,
      .rope_halves = RopeHalves,
      .tree_sum = TreeSum,
      .weighted_sum_f32 = Combine<float>,
      .weighted_sum_bf16 = Combine<Bf16>,
  };
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROW_KERNELS_IMPL_H_
