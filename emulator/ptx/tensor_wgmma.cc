#include "emulator/ptx/tensor_wgmma.h"

#include <algorithm>
#include <cstring>

namespace emu {
namespace {

constexpr int kRowsPerWarp = 16;
constexpr int kMaxElementsPerChunk = 16;

// How many chunks ListChunks lists.
size_t NumChunks(bool mn_major, int rows, int k) {
  return static_cast<size_t>(mn_major ? rows / 8 * k : rows * 2);
}

// One row of 32 bytes along K, decoded.
void DecodeKRow(Format format, const std::byte* shared, const uint32_t* chunks, float* out) {
  const size_t count = kChunkBytes / TraitsOf(format).bytes;
  DecodeElements(format, shared + chunks[0], count, out);
  DecodeElements(format, shared + chunks[1], count, out + count);
}

void PackSharedA(const WgmmaShape& shape, const std::byte* shared, const uint32_t* chunks, int warp,
                 PackedA* a) {
  float elements[2 * kMaxElementsPerChunk];
  if (!shape.a_mn_major) {
    for (int row = 0; row < kRowsPerWarp; ++row) {
      DecodeKRow(shape.a_format, shared, chunks + (warp * kRowsPerWarp + row) * 2, elements);
      PackRowA(elements, shape.k, row, shape.scale, a);
    }
    return;
  }
  for (int k = 0; k < shape.k; ++k) {
    for (int half = 0; half < 2; ++half) {
      const uint32_t chunk = chunks[k * (kWgmmaM / 8) + warp * 2 + half];
      DecodeElements(shape.a_format, shared + chunk, 8, elements);
      for (int i = 0; i < 8; ++i) {
        PackElementA(shape.scale * elements[i], half * 8 + i, k, a);
      }
    }
  }
}

void PackSharedB(const WgmmaShape& shape, const std::byte* shared, const uint32_t* chunks,
                 PackedB* b) {
  float elements[2 * kMaxElementsPerChunk];
  const int n = shape.n;
  if (!shape.b_mn_major) {
    for (int column = 0; column < n; ++column) {
      DecodeKRow(shape.b_format, shared, chunks + column * 2, elements);
      float* out = b->values + MacColumn(column);
      for (int k = 0; k < shape.k; ++k) out[k * n] = elements[k];
    }
    return;
  }
  for (int k = 0; k < shape.k; ++k) {
    for (int c8 = 0; c8 < n / 8; ++c8) {
      DecodeElements(shape.b_format, shared + chunks[k * (n / 8) + c8], 8, elements);
      float* out = b->values + k * n + c8 * 8;
      for (int i = 0; i < 8; ++i) out[MacColumn(i)] = elements[i];
    }
  }
}

std::string ListOperand(uint64_t descriptor, bool mn_major, int rows, int k, uint32_t shared_bytes,
                        std::vector<uint32_t>* offsets) {
  std::string wrong = CheckDescriptor(descriptor);
  if (!wrong.empty()) return wrong;
  const size_t first = offsets->size();
  ListChunks(DecodeDescriptor(descriptor), mn_major, rows, k, offsets);
  const uint32_t last =
      *std::max_element(offsets->begin() + static_cast<ptrdiff_t>(first), offsets->end());
  if (last + kChunkBytes > shared_bytes) {
    return "a matrix descriptor reaches byte " + std::to_string(last + kChunkBytes) +
           " of shared memory, which has " + std::to_string(shared_bytes);
  }
  return {};
}

}  // namespace

void ListChunks(const MatrixDescriptor& descriptor, bool mn_major, int rows, int k,
                std::vector<uint32_t>* offsets) {
  if (mn_major) {
    for (int depth = 0; depth < k; ++depth) {
      for (int mn8 = 0; mn8 < rows / 8; ++mn8) {
        offsets->push_back(
            MnMajorChunk(descriptor, static_cast<uint32_t>(mn8), static_cast<uint32_t>(depth)));
      }
    }
    return;
  }
  for (int row = 0; row < rows; ++row) {
    for (uint32_t chunk = 0; chunk < 2; ++chunk) {
      offsets->push_back(KMajorChunk(descriptor, static_cast<uint32_t>(row), chunk));
    }
  }
}

std::string ListOperands(const WgmmaShape& shape, const WgmmaOperands& operands,
                         uint32_t shared_bytes, std::vector<uint32_t>* offsets) {
  if (!shape.a_in_registers) {
    std::string wrong = ListOperand(operands.a_descriptor, shape.a_mn_major, kWgmmaM, shape.k,
                                    shared_bytes, offsets);
    if (!wrong.empty()) return wrong;
  }
  return ListOperand(operands.b_descriptor, shape.b_mn_major, shape.n, shape.k, shared_bytes,
                     offsets);
}

void RunWgmma(const WgmmaShape& shape, const WgmmaOperands& operands, const std::byte* shared,
              std::span<const uint32_t> chunks, const std::array<float* const*, kWgmmaWarps>& d) {
  static thread_local PackedA a;
  static thread_local PackedB b;
  const size_t a_chunks = shape.a_in_registers ? 0 : NumChunks(shape.a_mn_major, kWgmmaM, shape.k);
  PackSharedB(shape, shared, chunks.data() + a_chunks, &b);
  for (int warp = 0; warp < kWgmmaWarps; ++warp) {
    if (shape.a_in_registers) {
      std::array<const uint32_t*, 4> registers;
      for (size_t r = 0; r < 4; ++r) {
        registers[r] = (*operands.a_registers)[static_cast<size_t>(warp)][r].data();
      }
      PackFragmentA(shape.a_format, registers.data(), 4, shape.scale, &a);
    } else {
      PackSharedA(shape, shared, chunks.data(), warp, &a);
    }
    float* const* registers = d[static_cast<size_t>(warp)];
    if (!operands.add) {
      for (int r = 0; r < shape.n / 2; ++r) {
        std::memset(registers[r], 0, kMacLanes * sizeof(float));
      }
    }
    RunMac(operands.h100, shape.rules, {shape.k, shape.n, a.values, b.values, registers});
  }
}

}  // namespace emu
