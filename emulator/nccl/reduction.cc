#include "emulator/nccl/reduction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "emulator/nccl/element_type.h"
#include "emulator/nccl/small_float.h"

namespace emu {
namespace {

// Element types that compute in themselves, and those that compute in float.
template <typename T>
struct Plain {
  using Code = T;
  using Value = T;
  static Value Decode(Code code) { return code; }
  static Code Encode(Value value) { return value; }
};
template <typename Format>
struct Narrow : Format {
  using Value = float;
};

// Calls f with the traits of `type`.
template <typename F>
void Dispatch(ncclDataType_t type, F f) {
  switch (type) {
    case ncclInt8:
      return f(Plain<int8_t>());
    case ncclUint8:
      return f(Plain<uint8_t>());
    case ncclInt32:
      return f(Plain<int32_t>());
    case ncclUint32:
      return f(Plain<uint32_t>());
    case ncclInt64:
      return f(Plain<int64_t>());
    case ncclUint64:
      return f(Plain<uint64_t>());
    case ncclFloat16:
      return f(Narrow<Half>());
    case ncclFloat32:
      return f(Plain<float>());
    case ncclFloat64:
      return f(Plain<double>());
    case ncclBfloat16:
      return f(Narrow<BFloat16>());
    case ncclFloat8e4m3:
      return f(Narrow<Float8E4M3>());
    case ncclFloat8e5m2:
      return f(Narrow<Float8E5M2>());
    default:
      return;  // the door has refused it
  }
}

// Signed integers wrap: computed unsigned, in at least 32 bits so that nothing is promoted to int.
template <typename V>
using Wide = std::conditional_t<std::is_floating_point_v<V>, V,
                                std::conditional_t<sizeof(V) == 8, uint64_t, uint32_t>>;

template <typename V>
V Add(V a, V b) {
  return static_cast<V>(static_cast<Wide<V>>(a) + static_cast<Wide<V>>(b));
}
template <typename V>
V Multiply(V a, V b) {
  return static_cast<V>(static_cast<Wide<V>>(a) * static_cast<Wide<V>>(b));
}
template <typename V>
V Larger(V a, V b) {
  if constexpr (std::is_floating_point_v<V>) {
    return std::fmax(a, b);
  } else {
    return std::max(a, b);
  }
}
template <typename V>
V Smaller(V a, V b) {
  if constexpr (std::is_floating_point_v<V>) {
    return std::fmin(a, b);
  } else {
    return std::min(a, b);
  }
}

// Device memory need not be aligned for host types, so elements go through memcpy.
template <typename Traits, typename F>
void ForEach(void* accumulator, const void* input, size_t count, F f) {
  using Code = typename Traits::Code;
  auto* out = static_cast<std::byte*>(accumulator);
  const auto* in = static_cast<const std::byte*>(input);
  for (size_t i = 0; i < count; ++i) {
    Code a;
    Code b;
    std::memcpy(&a, out + i * sizeof(Code), sizeof(Code));
    std::memcpy(&b, in + i * sizeof(Code), sizeof(Code));
    a = Traits::Encode(f(Traits::Decode(a), Traits::Decode(b)));
    std::memcpy(out + i * sizeof(Code), &a, sizeof(Code));
  }
}

template <typename V>
uint64_t BitsOf(V value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename V>
V FromBits(uint64_t bits) {
  V value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// 1 / n in the precision in which a device holds it: the type's own, half for the 8-bit types.
template <typename Traits>
typename Traits::Value Reciprocal(int n) {
  using V = typename Traits::Value;
  const V value = static_cast<V>(1) / static_cast<V>(n);
  if constexpr (sizeof(typename Traits::Code) == 1 && std::is_floating_point_v<V>) {
    return Half::Decode(Half::Encode(value));
  } else {
    return Traits::Decode(Traits::Encode(value));
  }
}

}  // namespace

const char* ReductionName(Reduction::Kind kind) {
  constexpr std::array kNames = {"sum", "product", "max", "min", "average", "scaled sum"};
  return kNames[static_cast<size_t>(kind)];
}

ReductionSteps StepsOf(const Reduction& reduction, ncclDataType_t type, int num_ranks) {
  ReductionSteps steps;
  Dispatch(type, [&](auto traits) {
    using Traits = decltype(traits);
    if (reduction.kind == Reduction::Kind::kScaledSum) {
      uint64_t bits = reduction.scalar_bits;
      if (reduction.scalar_address != nullptr) {
        std::memcpy(&bits, reduction.scalar_address, sizeof(typename Traits::Code));
      }
      steps.scales = true;
      steps.factor_bits = BitsOf(Traits::Decode(FromBits<typename Traits::Code>(bits)));
    } else if (reduction.kind == Reduction::Kind::kAverage && IsFloatingPoint(type)) {
      steps.scales = true;
      steps.factor_bits = BitsOf(Reciprocal<Traits>(num_ranks));
    } else if (reduction.kind == Reduction::Kind::kAverage) {
      steps.divisor = num_ranks;
    }
  });
  return steps;
}

void Combine(ncclDataType_t type, Reduction::Kind kind, void* accumulator, const void* input,
             size_t count) {
  Dispatch(type, [&](auto traits) {
    using Traits = decltype(traits);
    using V = typename Traits::Value;
    switch (kind) {
      case Reduction::Kind::kProduct:
        return ForEach<Traits>(accumulator, input, count, Multiply<V>);
      case Reduction::Kind::kMax:
        return ForEach<Traits>(accumulator, input, count, Larger<V>);
      case Reduction::Kind::kMin:
        return ForEach<Traits>(accumulator, input, count, Smaller<V>);
      default:
        return ForEach<Traits>(accumulator, input, count, Add<V>);
    }
  });
}

void Scale(ncclDataType_t type, uint64_t factor_bits, void* data, size_t count) {
  Dispatch(type, [&](auto traits) {
    using Traits = decltype(traits);
    using V = typename Traits::Value;
    const V factor = FromBits<V>(factor_bits);
    ForEach<Traits>(data, data, count, [factor](V value, V) { return Multiply(value, factor); });
  });
}

void Divide(ncclDataType_t type, int divisor, void* data, size_t count) {
  Dispatch(type, [&](auto traits) {
    using Traits = decltype(traits);
    using V = typename Traits::Value;
    if constexpr (std::is_integral_v<V>) {
      ForEach<Traits>(data, data, count,
                      [divisor](V value, V) { return static_cast<V>(value / V(divisor)); });
    }
  });
}

}  // namespace emu
