// How rows that go to lists (key_lists.cuh) are cut into blocks of threads. No cut shows in a list.
#ifndef SWITCHYARD_KERNELS_CUDA_CHOOSE_LIST_GRID_H_
#define SWITCHYARD_KERNELS_CUDA_CHOOSE_LIST_GRID_H_

#include <algorithm>
#include <cstdint>

namespace switchyard::kernels::cuda {

inline constexpr int kChunkRows = 32;  // that a block looks at at once
inline constexpr int kMostListThreads = 512;
inline constexpr int kMostListBlocks = 64;  // each counts all items

struct ListGrid {
  int blocks;  // at least 1
  int rows_of_block;
  int threads;
};

// `width`: items of a row. A thread for each item of a chunk, and more where there are many to
// count.
constexpr ListGrid ListGridFor(int64_t rows, int64_t width) {
  constexpr int64_t kCountedByThread = 32;
  const int64_t chunks = std::max<int64_t>((rows + kChunkRows - 1) / kChunkRows, 1);
  const int64_t chunks_of_block = (chunks + kMostListBlocks - 1) / kMostListBlocks;
  const int64_t warps = std::max(width, rows * width / kCountedByThread / 32);
  return {.blocks = static_cast<int>((chunks + chunks_of_block - 1) / chunks_of_block),
          .rows_of_block = static_cast<int>(chunks_of_block * kChunkRows),
          .threads = static_cast<int>(std::clamp<int64_t>(warps * 32, 64, kMostListThreads))};
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHOOSE_LIST_GRID_H_
