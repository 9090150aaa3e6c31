#include "bench/kernels/cuda/stages.h"

#include <fmt/format.h>

#include <string>

#include "kernels/cases/attention.h"
#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/choose/gqa_shape.h"

namespace switchyard::bench {
namespace {

using namespace kernels::cuda;  // all names here are of its choices

constexpr int kNumSms = 132;
constexpr kernels::cases::AttentionCase kServed = kernels::cases::kServedAttention[0];

void PrintRow(const std::string& kernel, const std::string& stage, int stages, int threads,
              int shared_bytes) {
  fmt::print("| `{}` | {} | {} | {} | {} |\n", kernel, stage, stages, threads, shared_bytes);
}

// Of the forms that `kernel` names, whose tiles take `slot_bytes`.
void PrintGemmRows(const char* kernel, const char* stage, int slot_bytes) {
  for (const int tokens : {8, 16, 32, 64, 128}) {
    // A single row of tiles, and more of them than there are multiprocessors.
    for (const int64_t row_tiles : {1, 4 * kNumSms}) {
      const GemmTile tile = ChooseGemmTile(
          {.rows = tokens, .row_tiles = row_tiles, .k_bytes = 4096, .slot_bytes = slot_bytes},
          kNumSms);
      PrintRow(fmt::format("GemmKernel<{}, {}>", kernel, tile.tokens),
               fmt::format("{} of K for {} outputs and {} rows", stage, tile.warpgroups * kTileRows,
                           tile.tokens),
               tile.stages, tile.threads(),
               SharedOf(tile.tokens, tile.warpgroups, tile.stages, slot_bytes).num_bytes);
    }
  }
}

}  // namespace

void PrintStages() {
  fmt::print("| kernel | a stage | stages | threads | dynamic shared bytes |\n");
  fmt::print("|---|---|---|---|---|\n");
  PrintGemmRows("0 to 2", "128 bytes", kTileBytes);
  PrintGemmRows("3 and 4", "64 columns", SlotBytes(GemmForm::kInt4));
  const int width = static_cast<int>(kServed.latent + kServed.rope);
  for (const int head_tiles : {1, 2, kMaxDecodeHeadTiles}) {
    PrintRow(DecodeTakesWgmma(head_tiles, kServed.latent)
                 ? "WgmmaDecodeKernel"
                 : fmt::format("DecodeKernel<{}>", head_tiles),
             fmt::format("{} keys", kDecodeStepTokens), kDecodeStages, kAttentionThreads,
             DecodeSharedOf(head_tiles, width).num_bytes);
  }
  const int key_width = static_cast<int>(kServed.nope + kServed.rope);
  const int value_width = static_cast<int>(kServed.value);
  PrintRow(fmt::format("PrefillKernel<{}>", ChoosePrefillColumns(key_width, value_width)),
           fmt::format("{} keys and values", kPrefillStepTokens), kPrefillStages, kAttentionThreads,
           PrefillSharedOf(key_width, value_width).num_bytes);
  for (const int columns : {64, 128, 256}) {
    PrintRow(fmt::format("GqaDecodeKernel<{}>", columns),
             fmt::format("{} keys and values of a warp", kGqaDecodeStepTokens), kGqaDecodeStages,
             kGqaDecodeThreads, GqaDecodeSharedOf(columns).num_bytes);
    PrintRow(fmt::format("GqaPrefillKernel<{}>", columns),
             fmt::format("{} keys and values", kGqaPrefillStepTokens), kGqaPrefillStages,
             kGqaPrefillThreads, GqaPrefillSharedOf(columns).num_bytes);
  }
}

}  // namespace switchyard::bench
