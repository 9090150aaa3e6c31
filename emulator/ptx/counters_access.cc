#include "emulator/ptx/counters_access.h"

#include <algorithm>
#include <array>
#include <bit>

namespace emu {
namespace {

constexpr uint32_t kSectorShift = 5;
constexpr uint32_t kSectorBytes = 1 << kSectorShift;
constexpr uint32_t kBanks = 32;
constexpr uint32_t kBankBytes = 4;

}  // namespace

void CountGlobal(LaneMask lanes, const uint64_t* addresses, uint32_t bytes,
                 KernelCounters::Global* global) {
  std::array<uint64_t, kWarpSize> sorted;
  size_t count = 0;
  bool ascending = true;
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint64_t address = addresses[std::countr_zero(lanes)];
    ascending = ascending && (count == 0 || sorted[count - 1] <= address);
    sorted[count++] = address;
  }
  if (!ascending) std::sort(sorted.begin(), sorted.begin() + count);
  ++global->requests;
  const uint64_t bytes_before = global->bytes_used;
  uint64_t covered = 0;      // the end of the bytes counted so far
  uint64_t next_sector = 0;  // the first one not counted
  for (size_t i = 0; i < count; ++i) {
    const uint64_t end = sorted[i] + bytes;
    global->bytes_used += end - std::clamp(covered, sorted[i], end);
    covered = std::max(covered, end);
    const uint64_t first = std::max(sorted[i] >> kSectorShift, next_sector);
    const uint64_t last = (end - 1) >> kSectorShift;
    if (last < first) continue;
    global->sectors += last - first + 1;
    next_sector = last + 1;
  }
  const uint64_t bytes_used = global->bytes_used - bytes_before;
  global->ideal_sectors += (bytes_used + kSectorBytes - 1) / kSectorBytes;
}

void CountShared(LaneMask lanes, const uint64_t* addresses, uint32_t bytes,
                 KernelCounters::Shared* shared) {
  ++shared->requests;
  const int part = bytes <= 4 ? 32 : bytes <= 8 ? 16 : 8;
  const uint32_t words_per_lane = std::max(1u, bytes / kBankBytes);
  for (int begin = 0; begin < kWarpSize; begin += part) {
    std::array<std::array<uint32_t, kBanks>, kBanks> words;  // by bank: distinct words asked for
    std::array<uint32_t, kBanks> asked = {};
    uint32_t worst = 0;
    for (int lane = begin; lane < begin + part; ++lane) {
      if ((lanes >> lane & 1) == 0) continue;
      for (uint32_t w = 0; w < words_per_lane; ++w) {
        const auto word = static_cast<uint32_t>(addresses[lane] / kBankBytes + w);
        const uint32_t bank = word % kBanks;
        const auto end = words[bank].begin() + asked[bank];
        if (std::find(words[bank].begin(), end, word) != end) continue;
        words[bank][asked[bank]++] = word;
        worst = std::max(worst, asked[bank]);
      }
    }
    if (worst == 0) continue;
    shared->wavefronts += worst;
    ++shared->ideal_wavefronts;
  }
}

}  // namespace emu
