// Instructions as loops over 32 lanes, in a form that the compiler vectorises: a function over
// scalars, applied to whole registers, with the inactive lanes blended back.
#ifndef SWITCHYARD_EMULATOR_PTX_LANES_H_
#define SWITCHYARD_EMULATOR_PTX_LANES_H_

#include <bit>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "emulator/ptx/op.h"
#include "emulator/ptx/warp.h"

namespace emu {

// How a value of type T lies in a register: 8- and 16-bit integers extended to 32 bits by their
// sign.
template <class T>
struct LaneCell {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  using Type = T;
  static T Read(T cell) { return cell; }
  static T Write(T value) { return value; }
};
template <class T>
requires(std::is_integral_v<T> && sizeof(T) < 4) struct LaneCell<T> {
  using Type = uint32_t;
  static T Read(uint32_t cell) { return static_cast<T>(cell); }
  static uint32_t Write(T value) { return static_cast<uint32_t>(value); }
};

template <class T>
using CellOf = typename LaneCell<T>::Type;

// out[lane] = value(lane) for the active lanes. `value` must be defined for all lanes: registers of
// inactive ones hold anything.
template <class R, class F>
[[gnu::always_inline]] inline void ForLanes(CellOf<R>* out, LaneMask active, F value) {
  using Cell = CellOf<R>;
  if (active == kAllLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kWarpSize; ++lane) out[lane] = LaneCell<R>::Write(value(lane));
    return;
  }
  alignas(64) Cell results[kWarpSize];
#pragma GCC ivdep
  for (int lane = 0; lane < kWarpSize; ++lane) results[lane] = LaneCell<R>::Write(value(lane));
#pragma GCC ivdep
  for (int lane = 0; lane < kWarpSize; ++lane) {
    out[lane] = (active >> lane & 1) ? results[lane] : out[lane];
  }
}

// slots[0] = f(slots[1], ...), lane by lane.
template <class R, class A, class F>
[[gnu::always_inline]] inline Step Map1(Warp& warp, const Op& op, LaneMask active, F f) {
  const CellOf<A>* a = warp.Lanes<CellOf<A>>(op.slots[1]);
  ForLanes<R>(warp.Lanes<CellOf<R>>(op.slots[0]), active,
              [=](int lane) { return static_cast<R>(f(LaneCell<A>::Read(a[lane]))); });
  return Step::kNext;
}

template <class R, class A, class B, class F>
[[gnu::always_inline]] inline Step Map2(Warp& warp, const Op& op, LaneMask active, F f) {
  const CellOf<A>* a = warp.Lanes<CellOf<A>>(op.slots[1]);
  const CellOf<B>* b = warp.Lanes<CellOf<B>>(op.slots[2]);
  ForLanes<R>(warp.Lanes<CellOf<R>>(op.slots[0]), active, [=](int lane) {
    return static_cast<R>(f(LaneCell<A>::Read(a[lane]), LaneCell<B>::Read(b[lane])));
  });
  return Step::kNext;
}

template <class R, class A, class B, class C, class F>
[[gnu::always_inline]] inline Step Map3(Warp& warp, const Op& op, LaneMask active, F f) {
  const CellOf<A>* a = warp.Lanes<CellOf<A>>(op.slots[1]);
  const CellOf<B>* b = warp.Lanes<CellOf<B>>(op.slots[2]);
  const CellOf<C>* c = warp.Lanes<CellOf<C>>(op.slots[3]);
  ForLanes<R>(warp.Lanes<CellOf<R>>(op.slots[0]), active, [=](int lane) {
    return static_cast<R>(
        f(LaneCell<A>::Read(a[lane]), LaneCell<B>::Read(b[lane]), LaneCell<C>::Read(c[lane])));
  });
  return Step::kNext;
}

// An Op's function from a functor with a static Run: Lanewise<R, F, A...>.
template <class R, class F, class A>
Step Lanewise1(Warp& warp, const Op& op, LaneMask active) {
  return Map1<R, A>(warp, op, active, [](A a) { return F::Run(a); });
}
template <class R, class F, class A, class B>
Step Lanewise2(Warp& warp, const Op& op, LaneMask active) {
  return Map2<R, A, B>(warp, op, active, [](A a, B b) { return F::Run(a, b); });
}
template <class R, class F, class A, class B, class C>
Step Lanewise3(Warp& warp, const Op& op, LaneMask active) {
  return Map3<R, A, B, C>(warp, op, active, [](A a, B b, C c) { return F::Run(a, b, c); });
}

// `bits` of the active lanes in a predicate.
inline void SetPredicate(LaneMask& predicate, LaneMask active, LaneMask bits) {
  predicate = (predicate & ~active) | (bits & active);
}

// The mask of lanes for which f(lane) holds.
template <class F>
[[gnu::always_inline]] inline LaneMask MaskOf(F f) {
  LaneMask result = 0;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    result |= static_cast<LaneMask>(static_cast<bool>(f(lane))) << lane;
  }
  return result;
}

// Calls f(lane) for each active lane, in order.
template <class F>
inline void EachLane(LaneMask active, F f) {
  for (LaneMask rest = active; rest != 0; rest &= rest - 1) f(std::countr_zero(rest));
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_LANES_H_
