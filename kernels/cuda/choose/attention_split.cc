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

DecodeWave NextDecodeWave(std::span<const int32_t> positions, int64_t begin, int64_t max_partials) {
  DecodeWave wave{.begin = begin, .end = begin};
  for (; wave.end < std::ssize(positions); ++wave.end) {
    const int64_t splits = NumDecodeSplits(positions[static_cast<size_t>(wave.end)]);
    const int64_t partials = splits > 1 ? splits : 0;
    if (wave.end > begin && wave.num_partials + partials > max_partials) break;
    wave.num_splits += splits;
    wave.num_partials += partials;
    wave.num_merges += splits > 1 ? 1 : 0;
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
