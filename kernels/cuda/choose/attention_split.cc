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

DecodeWave NextDecodeWave(std::span<const DecodeRowWork> rows, int64_t begin,
                          const WaveBounds& bounds) {
  DecodeWave wave{.begin = begin, .end = begin};
  int64_t staged_bytes = 0;
  for (; wave.end < std::ssize(rows); ++wave.end) {
    const DecodeRowWork& row = rows[static_cast<size_t>(wave.end)];
    const int64_t partials = row.splits > 1 ? row.splits : 0;
    const bool fits = wave.num_partials + partials <= bounds.partials &&
                      staged_bytes + row.staged_bytes <= bounds.staged_bytes;
    if (wave.end > begin && !fits) break;
    staged_bytes += row.staged_bytes;
    wave.num_splits += row.splits;
    wave.num_partials += partials;
    wave.num_merges += row.splits > 1 ? 1 : 0;
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
