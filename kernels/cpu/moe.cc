#include "kernels/cpu/moe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "kernels/cpu/f32_rows.h"
#include "kernels/cpu/parallel_rows.h"
#include "kernels/cpu/row_kernels.h"

namespace switchyard::kernels::cpu {
namespace {

// Keeps the `capacity` largest keys of those offered. Ids are offered in ascending order, so of
// equal keys the lower id wins.
class Largest {
 public:
  explicit Largest(int64_t capacity) : capacity_(capacity) {}

  void Offer(int32_t id, float key) {
    int64_t place = size_;
    if (size_ < capacity_) {
      ++size_;
    } else if (key > keys_[--place]) {
      // The smallest goes.
    } else {
      return;
    }
    for (; place > 0 && key > keys_[place - 1]; --place) {
      keys_[place] = keys_[place - 1];
      ids_[place] = ids_[place - 1];
    }
    keys_[place] = key;
    ids_[place] = id;
  }

  // Ends the order by key.
  std::span<const int32_t> SortById() {
    std::sort(ids_.begin(), ids_.begin() + size_);
    return {ids_.data(), static_cast<size_t>(size_)};
  }

 private:
  static constexpr int64_t kMaxCapacity = std::max(kMaxExpertsPerToken, kMaxExpertGroups);

  const int64_t capacity_;
  int64_t size_ = 0;
  std::array<float, kMaxCapacity> keys_;
  std::array<int32_t, kMaxCapacity> ids_;
};

// A NaN loses to everything.
float Comparable(float x) { return std::isnan(x) ? -std::numeric_limits<float>::infinity() : x; }

// The sum of the two largest keys.
float GroupKey(std::span<const float> keys) {
  float first = std::max(keys[0], keys[1]);
  float second = std::min(keys[0], keys[1]);
  for (float key : keys.subspan(2)) {
    second = std::max(second, std::min(first, key));
    first = std::max(first, key);
  }
  return Comparable(first + second);
}

// The experts of one token, ascending, into `ids`. Groups that are not chosen are never looked at,
// which is what a mask of -inf means.
void SelectExperts(const GateArgs& args, std::span<const float> keys, std::span<int32_t> ids) {
  const int64_t group_size = static_cast<int64_t>(keys.size()) / args.num_groups;
  Largest groups(args.top_groups);
  for (int32_t g = 0; g < args.num_groups; ++g) {
    const bool choice = args.top_groups < args.num_groups;
    const std::span<const float> group = keys.subspan(g * group_size, group_size);
    const auto key = [&] { return args.softmax ? std::ranges::max(group) : GroupKey(group); };
    groups.Offer(g, choice ? key() : 0.0f);
  }
  Largest experts(static_cast<int64_t>(ids.size()));
  for (int32_t g : groups.SortById()) {
    const auto begin = static_cast<int32_t>(g * group_size);
    for (int32_t e = begin; e < begin + group_size; ++e) experts.Offer(e, keys[e]);
  }
  std::ranges::copy(experts.SortById(), ids.begin());
}

// Scores of one token's experts, and what they are chosen by.
void ScoreExperts(const GateArgs& args, std::span<const float> logits, std::span<float> scores,
                  std::span<float> keys) {
  if (args.softmax) {
    const float top = std::ranges::max(logits);
    float sum = 0;
    for (size_t e = 0; e < logits.size(); ++e) sum += scores[e] = std::exp(logits[e] - top);
    for (size_t e = 0; e < logits.size(); ++e) keys[e] = Comparable(scores[e] /= sum);
    return;
  }
  const auto* bias = static_cast<const float*>(args.bias.data);
  for (size_t e = 0; e < logits.size(); ++e) {
    scores[e] = 1.0f / (1.0f + std::exp(-logits[e]));
    keys[e] = Comparable(scores[e] + bias[e]);
  }
}

void GateToken(const GateArgs& args, int64_t token) {
  const int64_t num_experts = args.logits.dims[1];
  const int64_t num_slots = args.ids.dims[1];
  std::array<float, kMaxExperts> scores;
  std::array<float, kMaxExperts> keys;
  const auto count = static_cast<size_t>(num_experts);
  ScoreExperts(args, {args.logits.row<const float>(token), count}, {scores.data(), count},
               {keys.data(), count});
  auto* ids = args.ids.row<int32_t>(token);
  SelectExperts(args, {keys.data(), count}, {ids, static_cast<size_t>(num_slots)});

  auto* weights = args.weights.row<float>(token);
  float sum = 0;
  for (int64_t j = 0; j < num_slots; ++j) {
    weights[j] = scores[ids[j]];
    sum += weights[j];
  }
  for (int64_t j = 0; j < num_slots; ++j) {
    if (args.normalize) weights[j] /= sum + 1e-20f;
    weights[j] *= args.scale;
  }
}

// Where the rows of one token's experts begin.
template <typename T>
std::array<const T*, kMaxExpertsPerToken> ExpertRows(const CombineRowsArgs& args, int64_t token) {
  std::array<const T*, kMaxExpertsPerToken> rows;
  for (int64_t j = 0; j < args.row_of.dims[1]; ++j) {
    const int64_t row = args.row_of.row<const int32_t>(token)[j];
    SY_CHECK(row >= 0 && row < args.rows.rows())
        << "CombineRows: row_of[" << token << ", " << j << "]: expected below " << args.rows.rows()
        << ", got " << row;
    rows[j] = args.rows.row<const T>(row);
  }
  return rows;
}

template <typename T>
void Combine(const CpuContext& cpu, const CombineRowsArgs& args,
             void (*weighted_sum)(const WeightedSum<T>&)) {
  const int64_t hidden = args.y.dims[1];
  const int64_t num_slots = args.row_of.dims[1];
  const int64_t row_bytes = hidden * (num_slots * SizeOf(args.rows.dtype) + 8);
  ForRows(cpu, args.y.rows(), row_bytes, [&](int64_t t) {
    const bool has_rows = *args.row_of.row<const int32_t>(t) != -1;
    if (!has_rows && args.base.empty()) {
      std::fill_n(args.y.row<float>(t), hidden, 0.0f);
      return;
    }
    if (!has_rows) {
      std::copy_n(args.base.row<const float>(t), hidden, args.y.row<float>(t));
      return;
    }
    const auto rows = ExpertRows<T>(args, t);
    weighted_sum({.rows = rows.data(),
                  .weights = args.weights.row<const float>(t),
                  .num_slots = num_slots,
                  .base = args.base.empty() ? nullptr : args.base.row<const float>(t),
                  .y = args.y.row<float>(t),
                  .num_columns = hidden});
  });
}

}  // namespace

void Gate(const CpuContext& cpu, const GateArgs& args) {
  // A sigmoid and its place in the order cost about as much as this much traffic.
  constexpr int64_t kBytesPerExpert = 128;
  ForRows(cpu, args.logits.rows(), args.logits.dims[1] * kBytesPerExpert,
          [&](int64_t t) { GateToken(args, t); });
}

void CombineRows(const CpuContext& cpu, const CombineRowsArgs& args) {
  CheckF32("CombineRows", {&args.base, &args.y});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  if (args.rows.dtype == DType::kF32) {
    Combine<float>(cpu, args, kernels.weighted_sum_f32);
  } else {
    Combine<Bf16>(cpu, args, kernels.weighted_sum_bf16);
  }
}

}  // namespace switchyard::kernels::cpu
