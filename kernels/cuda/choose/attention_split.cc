#include "kernels/cuda/choose/attention_split.h"

namespace switchyard::kernels::cuda {

int ChooseDecodeHeadTiles(int64_t heads, int64_t width) {
  if (width * 2 > kMaxSharedBytes) return 0;
  int tiles = heads <= kMmaRows ? 1 : heads <= 2 * kMmaRows ? 2 : kMaxDecodeHeadTiles;
  while (tiles > 0 && DecodeSharedOf(tiles, static_cast<int>(width)).num_bytes > kMaxSharedBytes) {
    tiles /= 2;
  }
  return tiles;
}

DecodeWave NextDecodeWave(std::span<const int64_t> splits, int64_t begin, int64_t max_partials) {
  DecodeWave wave{.begin = begin, .end = begin};
  for (; wave.end < std::ssize(splits); ++wave.end) {
    const int64_t of_row = splits[static_cast<size_t>(wave.end)];
    const int64_t partials = of_row > 1 ? of_row : 0;
    if (wave.end > begin && wave.num_partials + partials > max_partials) break;
    wave.num_splits += of_row;
    wave.num_partials += partials;
    wave.num_merges += of_row > 1 ? 1 : 0;
  }
  return wave;
}

int ChoosePrefillColumns(int64_t key_width, int64_t value_width) {
  if (value_width > kMaxPrefillColumns || key_width * 2 > kMaxSharedBytes) return 0;
  const auto shared = PrefillSharedOf(static_cast<int>(key_width), static_cast<int>(value_width));
  if (shared.num_bytes > kMaxSharedBytes) return 0;
  return value_width <= kMaxPrefillColumns / 2 ? kMaxPrefillColumns / 2 : kMaxPrefillColumns;
}

}  // namespace switchyard::kernels::cuda
