// Shapes at which attention is right (tests) and fast (bench). A head's widths: nope, rope, value;
// latent is the cache's rank.
#ifndef SWITCHYARD_KERNELS_CASES_ATTENTION_H_
#define SWITCHYARD_KERNELS_CASES_ATTENTION_H_

#include <cstdint>

namespace switchyard::kernels::cases {

struct AttentionCase {
  const char* name;
  int64_t heads;
  int64_t nope;
  int64_t rope;
  int64_t value;
  int64_t latent;
};

// Timed: one rank's heads of a DeepSeek-V3 attention, all heads and shares of them.
inline constexpr AttentionCase kServedAttention[] = {
    {"v3_16_heads", 16, 128, 64, 128, 512},
    {"v3_4_heads", 4, 128, 64, 128, 512},
    {"v3_128_heads", 128, 128, 64, 128, 512},
};

// Checked: nothing here is a multiple of what registers hold.
inline constexpr AttentionCase kOddAttention[] = {
    {"tiny", 1, 8, 4, 8, 16},           {"narrow", 3, 7, 2, 5, 33},
    {"wide", 5, 40, 18, 70, 75},        {"many_heads", 19, 16, 8, 16, 32},
    {"v3_share", 2, 128, 64, 128, 512},
};

// Query tokens of a prefill chunk, and positions of decode queries.
inline constexpr int64_t kPrefillTokens[] = {1, 16, 128, 512};
inline constexpr int64_t kDecodePositions[] = {100, 1000, 8000, 64000};

}  // namespace switchyard::kernels::cases

#endif  // SWITCHYARD_KERNELS_CASES_ATTENTION_H_
