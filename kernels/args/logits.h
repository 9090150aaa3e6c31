// Ops that turn logits into tokens. Symbols: R rows of logits, C columns: this rank's part of the
// vocabulary. Columns count from 0 within the part.
//
// Results go to arrays of the host and are there when the op returns: on a GPU these ops wait.
//
// A token's weight is an integer, 2^40 e^((logit - max) / temperature) cut to a whole number, so
// that sums of weights are exact in any order and over any division of the vocabulary: what is
// drawn does not depend on how many ranks share it. C is below 2^23, so no sum overflows.
#ifndef SWITCHYARD_KERNELS_ARGS_LOGITS_H_
#define SWITCHYARD_KERNELS_ARGS_LOGITS_H_

#include <cstdint>
#include <limits>
#include <span>

#include "kernels/tensor_view.h"

namespace switchyard::kernels {

inline constexpr float kLogitWeightOne = 0x1p40f;
inline constexpr int64_t kMaxLogitColumns = int64_t{1} << 23;

// Which tokens of a row are left: those with logit >= least and |logit - center| <= width. Equal
// logits are kept or cut together.
struct LogitCut {
  float least = -std::numeric_limits<float>::infinity();
  float center = 0;
  float width = std::numeric_limits<float>::infinity();
};

// One row as the ops below see it. A row may be named more than once.
struct LogitRow {
  int32_t row = 0;
  float max = 0;  // the largest logit of the row on all ranks
  float inverse_temperature = 1;
  LogitCut cut;
};

// logits[row, column] becomes x / repetition where x > 0, else x * repetition; then + bias.
struct LogitEdit {
  int32_t row = 0;
  int32_t column = 0;
  float repetition = 1;  // takes no finite logit beyond the largest float: no row breaks by it
  float bias = 0;        // the same; but of -infinity, which forbids the token
};

// First copies whole rows, then edits, then sets to -infinity what a mask forbids.
struct EditLogitsArgs {
  struct Copy {
    int32_t from = 0;
    int32_t to = 0;
  };
  TensorView logits;  // f32 [R, C]
  std::span<const Copy> copies;
  std::span<const LogitEdit> edits;      // no two of one row and column
  std::span<const int32_t> masked_rows;  // M, no two alike
  std::span<const uint32_t> masks;       // M times MaskWords(C): bit c of a mask allows column c

  static int64_t MaskWords(int64_t columns) { return (columns + 31) / 32; }
};

struct LogitPeak {
  float logit = 0;  // NaN when there is one in the row
  int32_t column = 0;
};
// The largest logit of each row, and the first column that has it.
struct LogitMaxArgs {
  TensorView logits;              // f32 [R, C]
  std::span<const int32_t> rows;  // N
  std::span<LogitPeak> peaks;     // N
};

// One level of a search for a threshold. Tokens are ordered by a 32-bit key (LogitKey); of those
// that the cut keeps and whose key begins with `prefix`, counts and sums the weights by the next
// kBits bits of their key.
struct LogitHistogramArgs {
  static constexpr int kBits = 8;
  static constexpr int kBins = 1 << kBits;
  struct Search {
    LogitRow row;
    bool by_closeness = false;  // the key is that of -|logit - row.cut.center|
    uint32_t prefix = 0;        // the key's first prefix_bits bits
    int prefix_bits = 0;        // 0, 8, 16 or 24
  };
  TensorView logits;                 // f32 [R, C]
  std::span<const Search> searches;  // N
  std::span<uint32_t> counts;        // N * kBins
  std::span<uint64_t> weights;       // N * kBins
};

struct LogitMass {
  uint64_t weight = 0;  // the sum of the kept tokens' weights
  // The sum of 2^40 w s, each cut to a whole number, with w = e^-s and s = (max - logit) /
  // temperature: what the entropy is made of.
  uint64_t surprise = 0;
};
struct LogitMassArgs {
  TensorView logits;               // f32 [R, C]
  std::span<const LogitRow> rows;  // N
  bool with_surprise = false;      // else `surprise` is left 0
  std::span<LogitMass> masses;     // N
};

// The first column at which the sum of the kept tokens' weights, from column 0 on, is above
// `target`; -1 if it never is.
struct LogitPickArgs {
  struct Pick {
    LogitRow row;
    uint64_t target = 0;
  };
  TensorView logits;            // f32 [R, C]
  std::span<const Pick> picks;  // N
  std::span<int32_t> columns;   // N
};

// Up to `limit` columns and their logits: those above `least` by ascending column, then those equal
// to it. The rest of a row's `limit` places has column -1.
struct LogitCollectArgs {
  struct Collect {
    int32_t row = 0;
    float least = 0;
  };
  TensorView logits;                  // f32 [R, C]
  std::span<const Collect> collects;  // N
  int32_t limit = 0;
  std::span<LogitPeak> found;  // N * limit
};

// values[i] = logits[rows[i], columns[i]].
struct LogitGatherArgs {
  TensorView logits;                 // f32 [R, C]
  std::span<const int32_t> rows;     // N
  std::span<const int32_t> columns;  // N
  std::span<float> values;           // N
};

// Orders floats as unsigned numbers; all NaNs and both zeros have places of their own.
constexpr uint32_t LogitKey(uint32_t float_bits) {
  return float_bits ^ ((float_bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
}
// The bits of the float that has this key.
constexpr uint32_t LogitOfKey(uint32_t key) {
  return key ^ ((key >> 31) != 0 ? 0x80000000u : 0xffffffffu);
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_LOGITS_H_
