#include "tests/emulator/nccl/elements.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace emu {
namespace {

size_t BytesOf(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8:
    case ncclFloat8e4m3:
    case ncclFloat8e5m2:
      return 1;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32:
      return 4;
    default:
      return 8;
  }
}

template <typename F>
void WithType(ncclDataType_t type, F f) {
  switch (type) {
    case ncclInt8:
      return f(int8_t());
    case ncclUint8:
      return f(uint8_t());
    case ncclInt32:
      return f(int32_t());
    case ncclUint32:
      return f(uint32_t());
    case ncclInt64:
      return f(int64_t());
    case ncclUint64:
      return f(uint64_t());
    case ncclFloat16:
      return f(__half());
    case ncclFloat32:
      return f(float());
    case ncclFloat64:
      return f(double());
    case ncclBfloat16:
      return f(__nv_bfloat16());
    case ncclFloat8e4m3:
      return f(__nv_fp8_e4m3());
    default:
      return f(__nv_fp8_e5m2());
  }
}

bool IsFloat(ncclDataType_t type) {
  return type == ncclFloat16 || type == ncclFloat32 || type == ncclFloat64 ||
         type == ncclBfloat16 || type == ncclFloat8e4m3 || type == ncclFloat8e5m2;
}

}  // namespace

Elements::Elements(ncclDataType_t type, size_t count)
    : type_(type), element_bytes_(BytesOf(type)), bytes_(count * BytesOf(type), std::byte{0xcd}) {}

double Elements::Get(size_t index) const {
  double result = 0;
  WithType(type_, [&](auto value) {
    std::memcpy(static_cast<void*>(&value), bytes_.data() + index * element_bytes_, sizeof value);
    if constexpr (std::is_arithmetic_v<decltype(value)>) {
      result = static_cast<double>(value);
    } else {
      result = static_cast<double>(static_cast<float>(value));
    }
  });
  return result;
}

void Elements::Set(size_t index, double number) {
  WithType(type_, [&](auto value) {
    if constexpr (std::is_arithmetic_v<decltype(value)>) {
      value = static_cast<decltype(value)>(number);
    } else {
      value = decltype(value)(static_cast<float>(number));
    }
    std::memcpy(bytes_.data() + index * element_bytes_, &value, sizeof value);
  });
}

Elements InputOf(ncclDataType_t type, size_t count, int rank) {
  Elements elements(type, count);
  const bool is_signed = type != ncclUint8 && type != ncclUint32 && type != ncclUint64;
  for (size_t i = 0; i < count; ++i) {
    const size_t mix = i * 7 + static_cast<size_t>(rank) * 3;
    double value = mix % 4 == 0 ? 2 : 1;
    if (is_signed && mix % 5 == 0) value = -value;
    if (IsFloat(type)) value *= 1 + static_cast<double>(mix % 3) / 4;
    elements.Set(i, value);
  }
  return elements;
}

Elements Reduced(const std::vector<Elements>& inputs, ncclRedOp_t op) {
  const ncclDataType_t type = inputs[0].type();
  const auto num_ranks = static_cast<double>(inputs.size());
  const bool scales = op == ncclAvg && IsFloat(type);
  const auto scaled = [&](double value, Elements* scratch) {
    if (!scales) return value;
    scratch->Set(0, value / num_ranks);  // exact for the powers of two that the tests use
    return scratch->Get(0);
  };
  Elements result(type, inputs[0].count());
  for (size_t i = 0; i < result.count(); ++i) {
    Elements one(type, 1);
    result.Set(i, scaled(inputs[0].Get(i), &one));
    for (size_t r = 1; r < inputs.size(); ++r) {
      const double a = result.Get(i);
      const double b = scaled(inputs[r].Get(i), &one);
      result.Set(i, op == ncclProd  ? a * b
                    : op == ncclMax ? std::max(a, b)
                    : op == ncclMin ? std::min(a, b)
                                    : a + b);
    }
    if (op == ncclAvg && !scales) {
      result.Set(i, static_cast<double>(static_cast<int64_t>(result.Get(i)) /
                                        static_cast<int64_t>(inputs.size())));
    }
  }
  return result;
}

}  // namespace emu
