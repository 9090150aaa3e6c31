#include "emulator/ptx/tma_reduce.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "emulator/ptx/numerics_format.h"

namespace emu {
namespace {

template <class T>
T Apply(BulkReduction reduction, T a, T b) {
  switch (reduction) {
    case BulkReduction::kMin:
      return std::min(a, b);
    case BulkReduction::kMax:
      return std::max(a, b);
    default:
      return static_cast<T>(a + b);
  }
}

template <class T>
T ApplyInteger(BulkReduction reduction, T a, T b) {
  switch (reduction) {
    case BulkReduction::kAnd:
      return a & b;
    case BulkReduction::kOr:
      return a | b;
    case BulkReduction::kXor:
      return a ^ b;
    default:
      return Apply(reduction, a, b);
  }
}

// Word is the unsigned integer of the element's size; apply(old, value) gives the new word.
template <class Word, class ApplyWord>
void ForEachElement(std::byte* memory, const std::byte* values, size_t bytes, ApplyWord apply) {
  for (size_t i = 0; i < bytes; i += sizeof(Word)) {
    Word value;
    std::memcpy(&value, values + i, sizeof(Word));
    std::atomic_ref<Word> target(*reinterpret_cast<Word*>(memory + i));
    Word old = target.load(std::memory_order_relaxed);
    while (!target.compare_exchange_weak(old, apply(old, value), std::memory_order_relaxed)) {
    }
  }
}

// Elements of type T whose bits are a Word.
template <class T, class Word, class ApplyValue>
void ForEachValue(std::byte* memory, const std::byte* values, size_t bytes, ApplyValue apply) {
  ForEachElement<Word>(memory, values, bytes, [&](Word old, Word value) {
    return std::bit_cast<Word>(apply(std::bit_cast<T>(old), std::bit_cast<T>(value)));
  });
}

}  // namespace

BulkReduction ParseBulkReduction(std::string_view name) {
  if (name == "add") return BulkReduction::kAdd;
  if (name == "min") return BulkReduction::kMin;
  if (name == "max") return BulkReduction::kMax;
  if (name == "and") return BulkReduction::kAnd;
  if (name == "or") return BulkReduction::kOr;
  if (name == "xor") return BulkReduction::kXor;
  return BulkReduction::kNone;
}

bool IsBulkReduction(BulkReduction reduction, TensorType type) {
  const bool integer = type >= TensorType::kU32 && type <= TensorType::kS64;
  const bool half = type == TensorType::kF16 || type == TensorType::kBf16;
  switch (reduction) {
    case BulkReduction::kNone:
      return false;
    case BulkReduction::kAdd:
      return integer || half || type == TensorType::kF32 || type == TensorType::kF64 ||
             type == TensorType::kF32Ftz;
    case BulkReduction::kMin:
    case BulkReduction::kMax:
      return integer || half;
    default:
      return integer;
  }
}

void ReduceElements(BulkReduction reduction, TensorType type, std::byte* memory,
                    const std::byte* values, size_t bytes) {
  const auto integer = [&](auto a, auto b) { return ApplyInteger(reduction, a, b); };
  const auto plain = [&](auto a, auto b) { return Apply(reduction, a, b); };
  switch (type) {
    case TensorType::kU32:
      return ForEachValue<uint32_t, uint32_t>(memory, values, bytes, integer);
    case TensorType::kS32:
      // Sums wrap, as unsigned ones do.
      if (reduction == BulkReduction::kAdd) {
        return ForEachValue<uint32_t, uint32_t>(memory, values, bytes, integer);
      }
      return ForEachValue<int32_t, uint32_t>(memory, values, bytes, integer);
    case TensorType::kU64:
      return ForEachValue<uint64_t, uint64_t>(memory, values, bytes, integer);
    case TensorType::kS64:
      if (reduction == BulkReduction::kAdd) {
        return ForEachValue<uint64_t, uint64_t>(memory, values, bytes, integer);
      }
      return ForEachValue<int64_t, uint64_t>(memory, values, bytes, integer);
    case TensorType::kF16:
      // FP32 has more than twice a half's bits: rounding twice is rounding once.
      return ForEachElement<uint16_t>(memory, values, bytes, [&](uint16_t a, uint16_t b) {
        return EncodeF16(Apply(reduction, DecodeF16(a), DecodeF16(b)));
      });
    case TensorType::kBf16:
      return ForEachElement<uint16_t>(memory, values, bytes, [&](uint16_t a, uint16_t b) {
        return EncodeBf16(Apply(reduction, DecodeBf16(a), DecodeBf16(b)));
      });
    case TensorType::kF32:
    case TensorType::kF32Ftz:
      return ForEachValue<float, uint32_t>(memory, values, bytes, plain);
    case TensorType::kF64:
      return ForEachValue<double, uint64_t>(memory, values, bytes, plain);
    default:
      return;
  }
}

}  // namespace emu
