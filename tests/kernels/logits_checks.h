// What every backend's ops on logits must do, over kLogitsCases: called by the test of each.
#ifndef SWITCHYARD_TESTS_KERNELS_LOGITS_CHECKS_H_
#define SWITCHYARD_TESTS_KERNELS_LOGITS_CHECKS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "kernels/cases/logits.h"
#include "kernels/ops.h"
#include "tests/kernels/reference/logits_reference.h"

namespace switchyard::kernels {

class LogitsChecks {
 public:
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // A weight's error: the exponential's own, and one unit cut off.
  static constexpr double kWeightError = 1e-6;

  // Puts values into the memory of `ops`, and takes them out again.
  using Put = std::function<TensorView(int64_t rows, int64_t columns, std::span<const float>)>;
  using Get = std::function<std::vector<float>(const TensorView&)>;

  LogitsChecks(Ops& ops, const LogitsCase& shape, Put put, Get get)
      : ops_(ops), rows_(shape.rows), columns_(shape.columns), put_(put), get_(get) {
    std::mt19937 random(static_cast<uint32_t>(rows_ * 31 + columns_));
    std::normal_distribution<float> normal(0, 4);
    values_.resize(static_cast<size_t>(rows_ * columns_));
    for (float& value : values_) value = std::round(normal(random) * 64) / 64;  // some are equal
    if (columns_ > 4) values_[3] = -kInfinity;
    logits_ = put_(rows_, columns_, values_);
    for (int32_t i = 0; i < rows_; ++i) order_.push_back(static_cast<int32_t>(rows_) - 1 - i);
  }

  void All() {
    Max();
    Edits();
    EditsStayFinite();
    Histograms();
    Masses();
    Picks();
    Collects();
    Gathers();
    NoRows();
  }

  void Max() {
    std::vector<LogitPeak> peaks(order_.size());
    ops_.LogitMax({.logits = logits_, .rows = order_, .peaks = peaks});
    for (size_t i = 0; i < order_.size(); ++i) {
      const auto x = Row(order_[i]);
      const auto largest = std::max_element(x.begin(), x.end());  // the first of equals
      EXPECT_EQ(peaks[i].logit, *largest);
      EXPECT_EQ(peaks[i].column, largest - x.begin());
    }
    std::vector<float> broken = values_;
    broken.back() = std::numeric_limits<float>::quiet_NaN();
    const TensorView with_nan = put_(rows_, columns_, broken);
    ops_.LogitMax({.logits = with_nan, .rows = order_, .peaks = peaks});
    EXPECT_TRUE(std::isnan(peaks.front().logit));
  }

  void Edits() {
    const TensorView logits = put_(rows_, columns_, values_);
    std::vector<float> expected = values_;
    std::vector<EditLogitsArgs::Copy> copies;
    if (rows_ > 1) {
      copies.push_back({.from = 0, .to = 1});
      std::copy_n(values_.begin(), columns_, expected.begin() + columns_);
    }
    std::vector<LogitEdit> edits;
    for (int32_t row = 0; row < rows_; ++row) {
      for (int32_t c = row; c < columns_; c += 3) {
        edits.push_back({.row = row, .column = c, .repetition = 1.5f, .bias = 0.25f * float(row)});
        float& x = expected[row * columns_ + c];
        x = (x > 0 ? x / 1.5f : x * 1.5f) + 0.25f * float(row);
      }
    }
    const std::vector<int32_t> masked = {static_cast<int32_t>(rows_) - 1};
    std::vector<uint32_t> mask(EditLogitsArgs::MaskWords(columns_));
    for (int64_t c = 0; c < columns_; ++c) {
      if (c % 5 == 0) {
        mask[c / 32] |= 1u << (c % 32);
      } else {
        expected[masked[0] * columns_ + c] = -kInfinity;
      }
    }
    ops_.EditLogits(
        {.logits = logits, .copies = copies, .edits = edits, .masked_rows = masked, .masks = mask});
    EXPECT_EQ(get_(logits), expected);
  }

  // What a request asks for takes no finite logit out of the finite numbers but to forbid it, and
  // mends none that is broken.
  void EditsStayFinite() {
    constexpr float kMost = std::numeric_limits<float>::max();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    // Logit, repetition, bias, and what becomes of it.
    const std::vector<std::array<float, 4>> cases = {{4.0f, 1e-38f, 1e38f, kMost},
                                                     {4.0f, 1e-38f, -1.0f, kMost},
                                                     {-4.0f, 2e38f, 8.0f, -kMost},
                                                     {4.0f, 1e-38f, -kMost, 0.0f},
                                                     {3e38f, 1.0f, 3e38f, kMost},
                                                     {-3e38f, 1.0f, -3e38f, -kMost},
                                                     {4.0f, 1e-38f, -kInfinity, -kInfinity},
                                                     {0.0f, 1e-38f, 1.0f, 1.0f},
                                                     {-kInfinity, 0.5f, 9.0f, -kInfinity},
                                                     {kInfinity, 2.0f, -9.0f, kInfinity},
                                                     {nan, 2.0f, 1.0f, nan}};
    std::vector<float> values;
    std::vector<LogitEdit> edits;
    for (const auto& [logit, repetition, bias, expected] : cases) {
      edits.push_back({0, static_cast<int32_t>(values.size()), repetition, bias});
      values.push_back(logit);
    }
    const TensorView logits = put_(1, static_cast<int64_t>(values.size()), values);
    ops_.EditLogits({.logits = logits, .edits = edits});
    const std::vector<float> found = get_(logits);
    for (size_t i = 0; i < cases.size(); ++i) {
      const bool both_broken = std::isnan(found[i]) && std::isnan(cases[i][3]);
      EXPECT_TRUE(found[i] == cases[i][3] || both_broken) << i << ": " << found[i];
    }
  }

  void Histograms() {
    constexpr int64_t kBins = LogitHistogramArgs::kBins;
    std::vector<LogitHistogramArgs::Search> searches;
    for (const int32_t row : order_) {
      for (const LogitRow& wanted : RowsOf(row)) {
        searches.push_back({.row = wanted});
        LogitRow all = wanted;
        all.cut.width = kInfinity;
        searches.push_back({.row = all, .by_closeness = true});
        // Deeper: where the row's first logit lies.
        const uint32_t key = LogitKey(std::bit_cast<uint32_t>(Row(row)[0]));
        for (const int bits : {8, 16, 24}) {
          searches.push_back({.row = wanted, .prefix = key >> (32 - bits), .prefix_bits = bits});
        }
      }
    }
    std::vector<uint32_t> counts(searches.size() * kBins);
    std::vector<uint64_t> weights(searches.size() * kBins);
    ops_.LogitHistogram(
        {.logits = logits_, .searches = searches, .counts = counts, .weights = weights});
    for (size_t i = 0; i < searches.size(); ++i) {
      const auto expected = reference::Histogram(Row(searches[i].row.row), searches[i]);
      for (int64_t bin = 0; bin < kBins; ++bin) {
        ASSERT_EQ(counts[i * kBins + bin], expected[bin].count) << i << ", bin " << bin;
        ExpectWeight(weights[i * kBins + bin], expected[bin].weight, expected[bin].count);
      }
    }
  }

  void Masses() {
    std::vector<LogitRow> rows;
    for (const int32_t row : order_) {
      for (const LogitRow& wanted : RowsOf(row)) rows.push_back(wanted);
    }
    std::vector<LogitMass> masses(rows.size());
    for (const bool with_surprise : {false, true}) {
      ops_.LogitMassOf(
          {.logits = logits_, .rows = rows, .with_surprise = with_surprise, .masses = masses});
      for (size_t i = 0; i < rows.size(); ++i) {
        double weight = 0, surprise = 0;
        for (const float x : Row(rows[i].row)) {
          weight += reference::WeightOf(rows[i], x);
          surprise += reference::SurpriseOf(rows[i], x);
        }
        ExpectWeight(masses[i].weight, weight, columns_);
        ExpectWeight(masses[i].surprise, with_surprise ? surprise : 0, columns_);
      }
    }
  }

  // Targets at and beside every border between two tokens; and past the end.
  void Picks() {
    const LogitRow row = RowsOf(0)[1];
    const std::vector<uint64_t> weights = WeightsOf(row);
    std::vector<LogitPickArgs::Pick> picks;
    std::vector<int32_t> expected;
    uint64_t sum = 0;
    const auto add = [&](uint64_t target, int32_t column) {
      picks.push_back({.row = row, .target = target});
      expected.push_back(column);
    };
    const int32_t stride = std::max<int32_t>(1, static_cast<int32_t>(columns_) / 12);
    for (int32_t c = 0; c < columns_; ++c) {
      if (weights[c] > 0 && c % stride == stride / 2) {
        add(sum, c);
        add(sum + weights[c] - 1, c);
      }
      sum += weights[c];
    }
    add(sum, -1);
    std::vector<int32_t> columns(picks.size());
    ops_.LogitPick({.logits = logits_, .picks = picks, .columns = columns});
    EXPECT_EQ(columns, expected);
  }

  void Collects() {
    const int32_t limit = static_cast<int32_t>(std::min<int64_t>(columns_ + 2, 40));
    std::vector<LogitCollectArgs::Collect> collects;
    for (const int32_t row : order_) {
      std::vector<float> sorted(Row(row).begin(), Row(row).end());
      std::sort(sorted.rbegin(), sorted.rend());
      for (const size_t nth :
           {size_t{0}, sorted.size() / 2, std::min<size_t>(9, sorted.size() - 1)}) {
        collects.push_back({.row = row, .least = sorted[nth]});
      }
    }
    std::vector<LogitPeak> found(collects.size() * limit);
    ops_.LogitCollect({.logits = logits_, .collects = collects, .limit = limit, .found = found});
    for (size_t i = 0; i < collects.size(); ++i) {
      const auto expected = reference::Collect(Row(collects[i].row), collects[i].least, limit);
      for (int32_t j = 0; j < limit; ++j) {
        ASSERT_EQ(found[i * limit + j].column, expected[j].column) << i << ", " << j;
        if (expected[j].column < 0) continue;
        ASSERT_EQ(found[i * limit + j].logit, expected[j].logit) << i << ", " << j;
      }
    }
  }

  void Gathers() {
    std::vector<int32_t> rows, columns;
    std::vector<float> expected;
    for (int32_t i = 0; i < 9; ++i) {
      rows.push_back(i % static_cast<int32_t>(rows_));
      columns.push_back(i * 37 % static_cast<int32_t>(columns_));
      expected.push_back(Row(rows.back())[columns.back()]);
    }
    std::vector<float> values(rows.size());
    ops_.LogitGather({.logits = logits_, .rows = rows, .columns = columns, .values = values});
    EXPECT_EQ(values, expected);
  }

  void NoRows() {
    ops_.EditLogits({.logits = logits_});
    ops_.LogitMax({.logits = logits_});
    ops_.LogitHistogram({.logits = logits_});
    ops_.LogitMassOf({.logits = logits_});
    ops_.LogitPick({.logits = logits_});
    ops_.LogitCollect({.logits = logits_, .limit = 3});
    ops_.LogitGather({.logits = logits_});
  }

 private:
  std::span<const float> Row(int32_t row) const {
    return std::span(values_).subspan(static_cast<size_t>(row * columns_),
                                      static_cast<size_t>(columns_));
  }
  // One row without a cut, and with both kinds.
  std::vector<LogitRow> RowsOf(int32_t row) const {
    const auto x = Row(row);
    const float max = *std::max_element(x.begin(), x.end());
    return {{.row = row, .max = max},
            {.row = row, .max = max, .inverse_temperature = 0.4f, .cut = {.least = max - 9}},
            {.row = row,
             .max = max,
             .inverse_temperature = 1.7f,
             .cut = {.least = max - 20, .center = max - 3, .width = 2.5f}}};
  }
  // What the op itself makes of each token of a row: sums are exact, so that parts must add up.
  std::vector<uint64_t> WeightsOf(const LogitRow& row) {
    const TensorView tokens = put_(columns_, 1, Row(row.row));
    std::vector<LogitRow> rows(static_cast<size_t>(columns_), row);
    for (int32_t c = 0; c < columns_; ++c) rows[c].row = c;
    std::vector<LogitMass> masses(rows.size());
    ops_.LogitMassOf({.logits = tokens, .rows = rows, .masses = masses});
    std::vector<uint64_t> weights;
    for (const LogitMass& mass : masses) weights.push_back(mass.weight);
    return weights;
  }
  static void ExpectWeight(uint64_t got, double expected, int64_t num_tokens) {
    const double value = static_cast<double>(got) / kLogitWeightOne;
    const double cut_off = static_cast<double>(num_tokens) / kLogitWeightOne;
    EXPECT_NEAR(value, expected, expected * kWeightError + cut_off);
  }

  Ops& ops_;
  const int64_t rows_;
  const int64_t columns_;
  const Put put_;
  const Get get_;
  std::vector<float> values_;
  TensorView logits_;
  std::vector<int32_t> order_;  // all rows, last first
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_LOGITS_CHECKS_H_
