#include "worker/sample/logit_shards.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace switchyard::worker {

using kernels::LogitPeak;

constexpr int64_t kFloatBytes = sizeof(float);

LogitShards::LogitShards(kernels::Ops& ops, const Part& part, HostGather gather)
    : ops_(ops), part_(part), gather_(std::move(gather)) {}

// [ranks, own.size()]
template <typename T>
absl::StatusOr<std::vector<T>> LogitShards::Gather(const std::vector<T>& own) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (part_.num_ranks == 1 || own.empty()) return own;
  std::vector<T> all(own.size() * part_.num_ranks);
  SY_RETURN_IF_ERROR(
      gather_(std::as_bytes(std::span<const T>(own)), std::as_writable_bytes(std::span<T>(all))));
  return all;
}

absl::StatusOr<std::vector<TokenLogit>> LogitShards::Peaks(std::span<const int32_t> rows) {
  std::vector<LogitPeak> own(rows.size());
  ops_.LogitMax({.logits = logits_, .rows = rows, .peaks = own});
  for (LogitPeak& peak : own) peak.column += part_.first_token;
  SY_ASSIGN_OR_RETURN(const std::vector<LogitPeak> all, Gather(own));
  std::vector<TokenLogit> peaks(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    LogitPeak best = all[i];
    for (size_t other = i + rows.size(); other < all.size(); other += rows.size()) {
      // Lower ids are on lower ranks, so ties stay.
      if (all[other].logit > best.logit || std::isnan(all[other].logit)) best = all[other];
    }
    peaks[i] = {.logit = best.logit, .token = best.column};
  }
  return peaks;
}

absl::StatusOr<LogitShards::Histograms> LogitShards::Histogram(
    std::span<const kernels::LogitHistogramArgs::Search> searches) {
  const size_t bins = searches.size() * kernels::LogitHistogramArgs::kBins;
  Histograms sums{.counts = std::vector<uint32_t>(bins), .weights = std::vector<uint64_t>(bins)};
  ops_.LogitHistogram(
      {.logits = logits_, .searches = searches, .counts = sums.counts, .weights = sums.weights});
  SY_ASSIGN_OR_RETURN(const std::vector<uint32_t> counts, Gather(sums.counts));
  SY_ASSIGN_OR_RETURN(const std::vector<uint64_t> weights, Gather(sums.weights));
  for (size_t bin = 0; bin < bins; ++bin) {
    sums.counts[bin] = 0;
    sums.weights[bin] = 0;
    for (size_t i = bin; i < counts.size(); i += bins) {
      sums.counts[bin] += counts[i];
      sums.weights[bin] += weights[i];
    }
  }
  return sums;
}

absl::StatusOr<std::vector<LogitShards::Mass>> LogitShards::Masses(
    std::span<const kernels::LogitRow> rows, bool with_surprise) {
  std::vector<kernels::LogitMass> own(rows.size());
  ops_.LogitMassOf(
      {.logits = logits_, .rows = rows, .with_surprise = with_surprise, .masses = own});
  SY_ASSIGN_OR_RETURN(const std::vector<kernels::LogitMass> all, Gather(own));
  std::vector<Mass> masses(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    masses[i].own_weight = own[i].weight;
    for (size_t rank = 0; rank < all.size() / rows.size(); ++rank) {
      const kernels::LogitMass& part = all[rank * rows.size() + i];
      masses[i].total.weight += part.weight;
      masses[i].total.surprise += part.surprise;
      if (rank < static_cast<size_t>(part_.rank)) masses[i].weight_before += part.weight;
    }
  }
  return masses;
}

absl::StatusOr<std::vector<int32_t>> LogitShards::Pick(
    std::span<const kernels::LogitPickArgs::Pick> picks, std::span<const Mass> masses) {
  std::vector<kernels::LogitPickArgs::Pick> mine;
  std::vector<size_t> places;
  for (size_t i = 0; i < picks.size(); ++i) {
    SY_CHECK_LT(picks[i].target, masses[i].total.weight);
    const uint64_t target = picks[i].target - masses[i].weight_before;  // huge where it lies before
    if (picks[i].target < masses[i].weight_before || target >= masses[i].own_weight) continue;
    mine.push_back({.row = picks[i].row, .target = target});
    places.push_back(i);
  }
  std::vector<int32_t> columns(mine.size());
  ops_.LogitPick({.logits = logits_, .picks = mine, .columns = columns});
  std::vector<int32_t> own(picks.size(), -1);
  for (size_t i = 0; i < mine.size(); ++i) own[places[i]] = columns[i] + part_.first_token;
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> all, Gather(own));
  std::vector<int32_t> tokens(picks.size(), -1);
  for (size_t i = 0; i < all.size(); ++i) {
    tokens[i % picks.size()] = std::max(tokens[i % picks.size()], all[i]);
  }
  for (const int32_t token : tokens) SY_CHECK_GE(token, 0);
  return tokens;
}

absl::StatusOr<std::vector<std::vector<TokenLogit>>> LogitShards::Top(
    std::span<const kernels::LogitCollectArgs::Collect> collects, int32_t limit) {
  std::vector<LogitPeak> own(collects.size() * limit);
  ops_.LogitCollect({.logits = logits_, .collects = collects, .limit = limit, .found = own});
  for (LogitPeak& peak : own) peak.column += peak.column >= 0 ? part_.first_token : 0;
  SY_ASSIGN_OR_RETURN(const std::vector<LogitPeak> all, Gather(own));
  std::vector<std::vector<TokenLogit>> top(collects.size());
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].column < 0) continue;
    top[i / limit % collects.size()].push_back({.logit = all[i].logit, .token = all[i].column});
  }
  for (std::vector<TokenLogit>& row : top) {
    std::sort(row.begin(), row.end(), [](const TokenLogit& a, const TokenLogit& b) {
      return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
    });
    if (std::ssize(row) > limit) row.resize(limit);
  }
  return top;
}

absl::StatusOr<std::vector<float>> LogitShards::Values(std::span<const int32_t> rows,
                                                       std::span<const int32_t> tokens) {
  std::vector<int32_t> own_rows, own_columns;
  std::vector<size_t> places;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int32_t column = ColumnOf(tokens[i]);
    if (column < 0) continue;
    own_rows.push_back(rows[i]);
    own_columns.push_back(column);
    places.push_back(i);
  }
  std::vector<float> values(places.size());
  ops_.LogitGather({.logits = logits_, .rows = own_rows, .columns = own_columns, .values = values});
  constexpr float kElsewhere = -INFINITY;  // a value that is -infinity itself comes to the same
  std::vector<float> own(rows.size(), kElsewhere);
  for (size_t i = 0; i < places.size(); ++i) own[places[i]] = values[i];
  SY_ASSIGN_OR_RETURN(const std::vector<float> all, Gather(own));
  std::vector<float> joined(rows.size(), kElsewhere);
  for (size_t i = 0; i < all.size(); ++i) {
    joined[i % rows.size()] = std::max(joined[i % rows.size()], all[i]);
  }
  return joined;
}

// Parts of a vocabulary need not be of one size; what travels at a time is.
absl::StatusOr<std::vector<float>> LogitShards::Row(int32_t row) {
  std::vector<float> own(static_cast<size_t>(logits_.dims[1]));
  ops_.device().Synchronize();
  ops_.device().CopyToHost(own.data(), logits_.row<float>(row), std::ssize(own) * kFloatBytes);
  if (part_.num_ranks == 1) return own;
  SY_ASSIGN_OR_RETURN(const std::vector<int64_t> columns,
                      Gather(std::vector<int64_t>{std::ssize(own)}));
  const int64_t widest = *std::max_element(columns.begin(), columns.end());
  std::vector<float> whole(std::accumulate(columns.begin(), columns.end(), size_t{0}));
  for (int64_t begin = 0; begin < widest; begin += kPieceColumns) {
    std::vector<float> piece(std::min(kPieceColumns, widest - begin));
    // The columns [begin, begin + piece) of a part, as far as it has them.
    const auto length = [&](int64_t of_part) {
      return std::clamp<int64_t>(of_part - begin, 0, std::ssize(piece));
    };
    std::copy_n(own.begin() + std::min(begin, std::ssize(own)), length(std::ssize(own)),
                piece.begin());
    SY_ASSIGN_OR_RETURN(const std::vector<float> all, Gather(piece));
    int64_t first = 0;
    for (size_t rank = 0; rank < columns.size(); ++rank) {
      std::copy_n(all.begin() + static_cast<int64_t>(rank) * std::ssize(piece),
                  length(columns[rank]),
                  whole.begin() + std::min(first + begin, std::ssize(whole)));
      first += columns[rank];
    }
  }
  return whole;
}

}  // namespace switchyard::worker
