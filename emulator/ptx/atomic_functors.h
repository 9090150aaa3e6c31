// What atomics make of the old value and one or two operands, on the word that holds them.
#ifndef SWITCHYARD_EMULATOR_PTX_ATOMIC_FUNCTORS_H_
#define SWITCHYARD_EMULATOR_PTX_ATOMIC_FUNCTORS_H_

#include <bit>
#include <cstdint>
#include <mutex>

#include "emulator/ptx/float_functors.h"
#include "emulator/ptx/small_float.h"

namespace emu {

struct AtomicAdd {
  template <class W>
  static W Run(W old, W b, W) {
    return old + b;
  }
};
// T: the integer as it is compared.
template <class T>
struct AtomicMin {
  template <class W>
  static W Run(W old, W b, W) {
    return static_cast<T>(b) < static_cast<T>(old) ? b : old;
  }
};
template <class T>
struct AtomicMax {
  template <class W>
  static W Run(W old, W b, W) {
    return static_cast<T>(b) > static_cast<T>(old) ? b : old;
  }
};
// Up to b, then 0; down to 0, then b.
struct AtomicInc {
  template <class W>
  static W Run(W old, W b, W) {
    return old >= b ? W{0} : static_cast<W>(old + 1);
  }
};
struct AtomicDec {
  template <class W>
  static W Run(W old, W b, W) {
    return old == 0 || old > b ? b : static_cast<W>(old - 1);
  }
};
struct AtomicAnd {
  template <class W>
  static W Run(W old, W b, W) {
    return old & b;
  }
};
struct AtomicOr {
  template <class W>
  static W Run(W old, W b, W) {
    return old | b;
  }
};
struct AtomicXor {
  template <class W>
  static W Run(W old, W b, W) {
    return old ^ b;
  }
};
struct AtomicExchange {
  template <class W>
  static W Run(W, W b, W) {
    return b;
  }
};
struct AtomicCas {
  template <class W>
  static W Run(W old, W compare, W value) {
    return old == compare ? value : old;
  }
};
template <class F>
struct AtomicFloatAdd {
  template <class W>
  static W Run(W old, W b, W) {
    return std::bit_cast<W>(FloatAdd::Run(std::bit_cast<F>(old), std::bit_cast<F>(b)));
  }
};
template <class H, class F>
struct AtomicHalf {
  static uint16_t Run(uint16_t old, uint16_t b, uint16_t) {
    return H::FromFloat(F::Run(H::ToFloat(old), H::ToFloat(b)));
  }
};
template <class H, class F>
struct AtomicHalves {
  static uint32_t Run(uint32_t old, uint32_t b, uint32_t) {
    auto one = [](uint32_t x, uint32_t y) -> uint32_t {
      return AtomicHalf<H, F>::Run(static_cast<uint16_t>(x), static_cast<uint16_t>(y), 0);
    };
    return one(old >> 16, b >> 16) << 16 | one(old, b);
  }
};

// Orders 128-bit atomics between OS threads.
inline std::mutex& Atomic128Mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_ATOMIC_FUNCTORS_H_
