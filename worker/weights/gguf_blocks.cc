#include "worker/weights/gguf_blocks.h"

#include <array>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "worker/weights/block_fp8.h"

namespace switchyard::worker {
namespace {

constexpr int kHalf = 16;  // of 32 codes of 4 bits: low nibbles come first
constexpr int kMiddle = 8;

float F16At(const std::byte* at) {
  kernels::F16 value;
  std::memcpy(&value, at, sizeof(value));
  return ToFloat(value);
}
int ByteAt(const std::byte* at) { return static_cast<uint8_t>(*at); }
int SignedAt(const std::byte* at) { return static_cast<int8_t>(*at); }

bool WidenQ40(const std::byte* block, float* out) {
  const float d = F16At(block);
  for (int i = 0; i < kHalf; ++i) {
    const int pair = ByteAt(block + 2 + i);
    out[i] = static_cast<float>((pair & 15) - kMiddle) * d;
    out[i + kHalf] = static_cast<float>((pair >> 4) - kMiddle) * d;
  }
  return std::isfinite(d);
}

bool WidenQ41(const std::byte* block, float* out) {
  const float d = F16At(block), m = F16At(block + 2);
  for (int i = 0; i < kHalf; ++i) {
    const int pair = ByteAt(block + 4 + i);
    out[i] = static_cast<float>(pair & 15) * d + m;
    out[i + kHalf] = static_cast<float>(pair >> 4) * d + m;
  }
  return std::isfinite(d) && std::isfinite(m);
}

bool WidenQ80(const std::byte* block, float* out) {
  const float d = F16At(block);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(SignedAt(block + 2 + i)) * d;
  return std::isfinite(d);
}

// Scale and minimum number `i` of the eight in 12 bytes: the first four have 6 bits of a byte each,
// whose upper two bits complete the last four.
struct ScaleMin {
  int scale, min;
};
ScaleMin ScaleMinAt(const std::byte* packed, int i) {
  const auto byte = [&](int at) { return ByteAt(packed + at); };
  if (i < 4) return {byte(i) & 63, byte(i + 4) & 63};
  return {(byte(i + 4) & 15) | (byte(i - 4) >> 6 << 4), (byte(i + 4) >> 4) | (byte(i) >> 6 << 4)};
}

// Q4_K, and Q5_K with its fifth bits in `high`: bit i of byte l is that of element 32 i + l.
bool WidenK(const std::byte* block, const std::byte* high, const std::byte* low, float* out) {
  const float d = F16At(block), m = F16At(block + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, min] = ScaleMinAt(block + 4, group);
    const float step = d * static_cast<float>(scale), least = m * static_cast<float>(min);
    for (int l = 0; l < 32; ++l) {
      int code = ByteAt(low + group / 2 * 32 + l) >> (group % 2 * 4) & 15;
      if (high != nullptr) code |= (ByteAt(high + l) >> group & 1) << 4;
      *out++ = step * static_cast<float>(code) - least;
    }
  }
  return std::isfinite(d) && std::isfinite(m);
}
bool WidenQ4K(const std::byte* block, float* out) {
  return WidenK(block, nullptr, block + 16, out);
}
bool WidenQ5K(const std::byte* block, float* out) {
  return WidenK(block, block + 16, block + 48, out);
}

// 4 bits of each element, then 2 bits more, then scales; two halves of 128 elements.
bool WidenQ6K(const std::byte* block, float* out) {
  constexpr int kOffset = 32;
  const float d = F16At(block + 208);
  for (int half = 0; half < 2; ++half) {
    const std::byte* const low = block + 64 * half;
    const std::byte* const high = block + 128 + 32 * half;
    const std::byte* const scales = block + 192 + 8 * half;
    for (int i = 0; i < 128; ++i) {
      const int quarter = i / 32, l = i % 32;
      const int four = ByteAt(low + quarter % 2 * 32 + l) >> (quarter / 2 * 4) & 15;
      const int two = ByteAt(high + l) >> (2 * quarter) & 3;
      const float step = d * static_cast<float>(SignedAt(scales + i / 16));
      *out++ = step * static_cast<float>((four | two << 4) - kOffset);
    }
  }
  return std::isfinite(d);
}

bool WidenMxfp4(const std::byte* block, float* out) {
  constexpr std::array<float, 16> kValues = {0,     0.5f,  1,  1.5f,  2,  3,  4,  6,
                                             -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
  const float scale = E8m0ToFloat(static_cast<uint8_t>(*block));
  for (int i = 0; i < kHalf; ++i) {
    const int pair = ByteAt(block + 1 + i);
    out[i] = kValues[static_cast<size_t>(pair & 15)] * scale;
    out[i + kHalf] = kValues[static_cast<size_t>(pair >> 4)] * scale;
  }
  return std::isfinite(scale);
}

struct Widener {
  std::string_view name;
  bool (*widen)(const std::byte* block, float* out);
};
constexpr Widener kWideners[] = {
    {"Q4_0", WidenQ40}, {"Q4_1", WidenQ41}, {"Q8_0", WidenQ80},    {"Q4_K", WidenQ4K},
    {"Q5_K", WidenQ5K}, {"Q6_K", WidenQ6K}, {"MXFP4", WidenMxfp4},
};
const Widener* FindWidener(const GgufType& type) {
  for (const Widener& widener : kWideners) {
    if (widener.name == type.name) return &widener;
  }
  return nullptr;
}

}  // namespace

std::optional<FileDtype> PlainDtype(const GgufType& type) {
  if (type.block_elements != 1) return std::nullopt;
  return FileDtypeOf(type.name);
}

bool IsReadGgufType(const GgufType& type) { return FindWidener(type) != nullptr; }

bool WidenBlocks(const GgufType& type, const std::byte* blocks, int64_t count, float* out) {
  const Widener* const widener = FindWidener(type);
  SY_CHECK(widener != nullptr) << type.name;
  bool finite = true;
  for (int64_t i = 0; i < count; ++i, blocks += type.block_bytes, out += type.block_elements) {
    finite &= widener->widen(blocks, out);
  }
  return finite;
}

bool HasWholeForm(const GgufType& type, kernels::DType dtype) {
  using kernels::DType;
  if (type.name == "Q8_0") return dtype == DType::kI8;
  return type.name == "Q4_0" && (dtype == DType::kI8 || dtype == DType::kU4);
}

bool WholeBlocks(const GgufType& type, kernels::DType dtype, const std::byte* blocks, int64_t count,
                 std::byte* codes, float* scales) {
  SY_CHECK(HasWholeForm(type, dtype)) << type.name << " as " << Name(dtype);
  const bool four_bits = type.name == "Q4_0";
  const int middle = dtype == kernels::DType::kI8 ? kMiddle : 0;
  bool finite = true;
  for (int64_t i = 0; i < count; ++i, blocks += type.block_bytes, codes += type.block_elements) {
    scales[i] = F16At(blocks);
    finite &= std::isfinite(scales[i]);
    if (!four_bits) {
      std::memcpy(codes, blocks + 2, static_cast<size_t>(type.block_elements));
      continue;
    }
    for (int l = 0; l < kHalf; ++l) {
      const int pair = ByteAt(blocks + 2 + l);
      codes[l] = static_cast<std::byte>((pair & 15) - middle);
      codes[l + kHalf] = static_cast<std::byte>((pair >> 4) - middle);
    }
  }
  return finite;
}

}  // namespace switchyard::worker
