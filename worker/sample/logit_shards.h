// The logits of a tensor group as if one rank had them all: each call runs an op on this rank's
// part of the vocabulary and joins the parts' results. Tokens here are ids of the whole vocabulary.
// What travels is a few bytes for each row, and logits of the rows alone that are asked for whole;
// every rank gets the same answer.
#ifndef SWITCHYARD_WORKER_SAMPLE_LOGIT_SHARDS_H_
#define SWITCHYARD_WORKER_SAMPLE_LOGIT_SHARDS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/status.h"
#include "kernels/ops.h"

namespace switchyard::worker {

struct TokenLogit {
  float logit = 0;
  int32_t token = 0;
};

// Hands every rank's `own` to all, in the order of ranks: all.size() = ranks * own.size(). Errors:
// those of Collectives.
using HostGather =
    std::function<absl::Status(std::span<const std::byte> own, std::span<std::byte> all)>;

// Thread: the step's.
class LogitShards {
 public:
  // The most entries of one Histogram or Top in calls about up to `max_rows` rows: bounds what
  // travels at a time.
  static size_t MaxBatch(int64_t max_rows) {
    return static_cast<size_t>(std::clamp<int64_t>(max_rows / 4, 16, 256));
  }
  // The most that the gather gets from one rank.
  static int64_t MaxGatherBytes(int64_t max_rows) {
    constexpr int64_t kSearchBytes = kernels::LogitHistogramArgs::kBins * sizeof(uint64_t);
    constexpr int64_t kMassBytes = sizeof(kernels::LogitMass);
    return std::max<int64_t>(MaxBatch(max_rows) * kSearchBytes, max_rows * kMassBytes);
  }

  // This rank holds tokens [first_token, first_token + columns); ranks hold them in order.
  struct Part {
    int32_t first_token = 0;
    int rank = 0;
    int num_ranks = 1;
  };
  // `ops` outlives it.
  LogitShards(kernels::Ops& ops, const Part& part, HostGather gather);

  // f32 [rows, columns]; for the calls that follow.
  void Use(const kernels::TensorView& logits) { logits_ = logits; }

  // Each row's largest logit and the first token that has it; NaN where a rank has one.
  absl::StatusOr<std::vector<TokenLogit>> Peaks(std::span<const int32_t> rows);

  struct Histograms {
    std::vector<uint32_t> counts;   // [searches, kBins]
    std::vector<uint64_t> weights;  // [searches, kBins]
  };
  // REQUIRES: at most MaxBatch searches.
  absl::StatusOr<Histograms> Histogram(
      std::span<const kernels::LogitHistogramArgs::Search> searches);

  struct Mass {
    kernels::LogitMass total;
    uint64_t weight_before = 0;  // of the ranks before this one
    uint64_t own_weight = 0;
  };
  absl::StatusOr<std::vector<Mass>> Masses(std::span<const kernels::LogitRow> rows,
                                           bool with_surprise);

  // For each row the token at which the running weight passes `target`. `masses` are the rows' own.
  // REQUIRES: target < total weight.
  absl::StatusOr<std::vector<int32_t>> Pick(std::span<const kernels::LogitPickArgs::Pick> picks,
                                            std::span<const Mass> masses);

  // The `limit` likeliest tokens of each row, likeliest first, ties by the lower id; `least` is the
  // logit of the last of them. REQUIRES: at most MaxBatch rows, limit <= kBins.
  absl::StatusOr<std::vector<std::vector<TokenLogit>>> Top(
      std::span<const kernels::LogitCollectArgs::Collect> collects, int32_t limit);

  // The logit of tokens[i] in rows[i].
  absl::StatusOr<std::vector<float>> Values(std::span<const int32_t> rows,
                                            std::span<const int32_t> tokens);

  // All logits of the row, by token; travels in pieces.
  absl::StatusOr<std::vector<float>> Row(int32_t row);

  // The column of a token here, or -1.
  int32_t ColumnOf(int32_t token) const {
    const int64_t column = int64_t{token} - part_.first_token;
    return column >= 0 && column < logits_.dims[1] ? static_cast<int32_t>(column) : -1;
  }
  kernels::Ops& ops() { return ops_; }
  const kernels::TensorView& logits() const { return logits_; }

 private:
  // Columns of one rank that travel at a time: no more than MaxGatherBytes in any case.
  static constexpr int64_t kPieceColumns = int64_t{8} << 10;

  template <typename T>
  absl::StatusOr<std::vector<T>> Gather(const std::vector<T>& own);

  kernels::Ops& ops_;
  const Part part_;
  const HostGather gather_;
  kernels::TensorView logits_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_LOGIT_SHARDS_H_
