// Attention of some heads over one run of cached latents, or keys and values, as a template over a
// Dot type (attention_dot.h). Included by attention_{portable,avx2,avx512}.cc alone.
//
// The heads are the rows of two products, scores [heads, keys] = q latent^T and sums [heads,
// latent_dim] = p latent, so that a latent which has come from memory serves all of them. Only
// entries of the run are read.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_DECODE_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_DECODE_IMPL_H_

#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/cpu/attention_kernels.h"

namespace switchyard::kernels::cpu {

template <class Dot>
class DecodeRun {
 public:
  static void Run(const DecodeTask& task) {
    DecodeRun run(task);
    run.PackQueries();
    run.Scores();
    for (int64_t head = 0; head < task.num_heads; ++head) run.Softmax(head);
    run.Sums();
  }

 private:
  using V = typename Dot::V;
  using F = typename V::F;
  using Key = typename Dot::Key;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kDepth = Dot::kDepth;
  static constexpr int64_t kRun = kDecodeRunTokens;
  static constexpr int64_t kRunUnits = kRun / kDepth;
  static constexpr int kScoreKeys = 4;               // keys, and
  static constexpr int kScoreHeads = V::kLanes / 4;  // heads, whose scores fill one vector
  // Sums that registers hold at once: heads x pairs of vectors of columns.
  static constexpr int kSumTile = V::kLanes / 2;
  static_assert(kMaxDecodeHeads % kScoreHeads == 0);
  static constexpr int64_t kPrefetchKeys = 16;

  explicit DecodeRun(const DecodeTask& task)
      : task_(task),
        keys_(reinterpret_cast<const Key* const*>(task.keys)),
        values_(reinterpret_cast<const Key* const*>(task.values)),
        width_(task.latent_dim + task.rope_dim),
        num_units_(RoundUp((width_ + kDepth - 1) / kDepth, kLanes)),
        q_(task.work),
        row_(q_ + kMaxDecodeHeads * num_units_),
        scores_(row_ + RoundUp(width_, 2 * kMaxLanes)),
        p_(scores_ + kMaxDecodeHeads * kRun) {}

  // A row of units per head, filled up with zeros; so are the heads up to a whole number of
  // vectors.
  void PackQueries() {
    const int64_t whole_heads = RoundUp(task_.num_heads, kScoreHeads);
    std::memset(q_, 0, static_cast<size_t>(whole_heads * num_units_) * sizeof(float));
    for (int64_t head = 0; head < task_.num_heads; ++head) {
      std::memcpy(row_, task_.qa + head * task_.qa_stride,
                  static_cast<size_t>(task_.latent_dim) * sizeof(float));
      std::memcpy(row_ + task_.latent_dim, task_.q_pe + head * task_.q_pe_stride,
                  static_cast<size_t>(task_.rope_dim) * sizeof(float));
      Dot::PackRow(q_ + head * num_units_, row_, width_);
    }
  }

  void Scores() {
    for (int64_t key = 0; key < task_.num_keys; key += kScoreKeys) {
      const Key* keys[kScoreKeys];
      for (int64_t j = 0; j < kScoreKeys; ++j) {
        const bool inside = key + j < task_.num_keys;
        keys[j] = keys_[inside ? key + j : key];  // beyond the end any will do: Softmax hides it
        const int64_t ahead = key + j + kPrefetchKeys;
        if (ahead >= task_.num_keys) continue;
        Prefetch(keys_[ahead]);
        if (values_ != keys_) Prefetch(values_[ahead]);
      }
      for (int64_t head = 0; head < task_.num_heads; head += kScoreHeads) {
        ScoreTile(keys, q_ + head * num_units_, scores_ + head * kRun + key);
      }
    }
  }

  // Lanes lie along the width; the last step joins each sum's lanes, and so puts the scores of a
  // head side by side.
  void ScoreTile(const Key* const (&keys)[kScoreKeys], const float* q, float* scores) const {
    constexpr int64_t kStep = kLanes * kDepth;
    F sums[kScoreHeads * kScoreKeys];
    for (F& sum : sums) sum = V::Zero();
    const auto add = [&](int64_t at, auto load) {
      F latent[kScoreKeys];
      for (int j = 0; j < kScoreKeys; ++j) latent[j] = load(keys[j] + at);
      for (int head = 0; head < kScoreHeads; ++head) {
        const F query = V::Load(q + head * num_units_ + at / kDepth);
        for (int j = 0; j < kScoreKeys; ++j) {
          F& sum = sums[head * kScoreKeys + j];
          sum = Dot::Step(sum, latent[j], query);
        }
      }
    };
    int64_t at = 0;
    for (; at + kStep <= width_; at += kStep) add(at, [](const Key* p) { return Dot::LoadKey(p); });
    if (const int64_t left = width_ - at; left > 0) {
      add(at, [left](const Key* p) { return Dot::LoadKeyPart(p, left); });
    }
    V::StoreQuads(scores, kRun, V::SumEach(sums));
  }

  // Scores of a head become the units of p.
  void Softmax(int64_t head) {
    const F scale = V::Set(task_.scale);
    const F hidden = V::Set(-std::numeric_limits<float>::infinity());
    const int64_t end = RoundUp(task_.num_keys, 2 * kLanes);
    float* scores = scores_ + head * kRun;
    F highest = hidden;
    for (int64_t i = 0; i < end; i += kLanes) {
      F x = V::Mul(V::Load(scores + i), scale);
      const int64_t left = task_.num_keys - i;
      if (left < kLanes) x = left > 0 ? V::KeepFirst(x, left, hidden) : hidden;
      V::Store(scores + i, x);
      highest = V::Max(highest, x);
    }
    const float max = V::MaxLane(highest);
    F sum = V::Zero();
    for (int64_t i = 0; i < end; i += kLanes) {
      const F p = V::Exp(V::Sub(V::Load(scores + i), V::Set(max)));
      V::Store(scores + i, p);
      sum = V::Add(sum, p);
    }
    Dot::PackRow(p_ + head * kRunUnits, scores, end);
    task_.max[head] = max;
    task_.total[head] = V::Sum(sum);
  }

  // Latents come from memory: ask for the next ones while these are multiplied.
  void Prefetch(const Key* entry) const {
    constexpr int64_t kCacheLine = 64;
    const auto* bytes = reinterpret_cast<const char*>(entry);
    for (int64_t i = 0; i < width_ * static_cast<int64_t>(sizeof(Key)); i += kCacheLine) {
      __builtin_prefetch(bytes + i, /*rw=*/0, /*locality=*/2);
    }
  }

  void Sums() const {
    int64_t head = SumHeads<kSumTile>(0);
    if constexpr (kSumTile >= 8) head = SumHeads<4>(head);
    if constexpr (kSumTile >= 4) head = SumHeads<2>(head);
    SumHeads<1>(head);
  }

  // Takes heads from `head` on, kHeads at a time, while there are as many; returns the first that
  // is left.
  template <int kHeads>
  int64_t SumHeads(int64_t head) const {
    constexpr int64_t kColumns = 2 * kLanes;
    constexpr int kPairs = kSumTile / kHeads;
    for (; head + kHeads <= task_.num_heads; head += kHeads) {
      int64_t column = 0;
      for (; column + kPairs * kColumns <= task_.latent_dim; column += kPairs * kColumns) {
        SumTile<kHeads, kPairs>(head, column, kColumns);
      }
      for (; column + kColumns <= task_.latent_dim; column += kColumns) {
        SumTile<kHeads, 1>(head, column, kColumns);
      }
      if (const int64_t left = task_.latent_dim - column; left > 0) {
        SumTile<kHeads, 1>(head, column, left);
      }
    }
    return head;
  }

  // Sums of kHeads heads over kPairs pairs of vectors of columns, of which each has `count` <= 2 *
  // kLanes columns.
  template <int kHeads, int kPairs>
  void SumTile(int64_t first_head, int64_t first_column, int64_t count) const {
    F low[kHeads][kPairs], high[kHeads][kPairs];
    for (int h = 0; h < kHeads; ++h) {
      for (int i = 0; i < kPairs; ++i) low[h][i] = high[h][i] = V::Zero();
    }
    const float* p = p_ + first_head * kRunUnits;
    const auto add = [&](int64_t unit, auto load) {
      F a[kPairs], b[kPairs];
      for (int i = 0; i < kPairs; ++i) load(first_column + i * 2 * kLanes, a[i], b[i]);
      for (int h = 0; h < kHeads; ++h) {
        const F weight = V::Set(p[h * kRunUnits + unit]);
        for (int i = 0; i < kPairs; ++i) {
          low[h][i] = Dot::Step(low[h][i], a[i], weight);
          high[h][i] = Dot::Step(high[h][i], b[i], weight);
        }
      }
    };
    const bool whole = count == 2 * kLanes;
    const int64_t end = task_.num_keys / kDepth;
    for (int64_t unit = 0; whole && unit < end; ++unit) {
      const Key* const* rows = values_ + unit * kDepth;
      add(unit, [&](int64_t column, F& a, F& b) { Dot::LoadColumns(rows, column, a, b); });
    }
    for (int64_t unit = 0; !whole && unit < end; ++unit) {
      const Key* const* rows = values_ + unit * kDepth;
      add(unit, [&](int64_t at, F& a, F& b) { Dot::LoadColumnsPart(rows, at, count, a, b); });
    }
    if (end * kDepth < task_.num_keys) {  // the last unit has fewer keys
      const Key* rows[kDepth] = {values_[end * kDepth]};
      add(end, [&](int64_t at, F& a, F& b) { Dot::LoadColumnsPart(rows, at, count, a, b); });
    }
    for (int h = 0; h < kHeads; ++h) {
      float* sums = task_.sums + (first_head + h) * task_.sums_stride + first_column;
      for (int i = 0; i < kPairs; ++i, sums += 2 * kLanes) {
        const int64_t in_low = count < kLanes ? count : kLanes;
        V::StorePart(sums, low[h][i], in_low);
        V::StorePart(sums + in_low, high[h][i], count - in_low);
      }
    }
  }

  const DecodeTask& task_;
  const Key* const* const keys_;
  const Key* const* const values_;
  const int64_t width_;      // elements of a cache entry
  const int64_t num_units_;  // of a query, whole vectors
  float* const q_;           // [kMaxDecodeHeads, num_units]
  float* const row_;         // one query, whole
  float* const scores_;      // [kMaxDecodeHeads, kRun]
  float* const p_;           // [kMaxDecodeHeads, kRunUnits]
};

// How runs are joined, in the order of their keys.
template <class V>
struct SoftmaxJoin {
  using F = typename V::F;

  static void Merge(PartialSoftmax& into, const PartialSoftmax& later, int64_t n) {
    const float max = into.max > later.max ? into.max : later.max;
    const F keep = V::Exp(V::Set(into.max - max));
    const F take = V::Exp(V::Set(later.max - max));
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) {
      const F taken = V::Mul(V::Load(later.sums + i), take);
      V::Store(into.sums + i, V::MulAdd(V::Load(into.sums + i), keep, taken));
    }
    if (i < n) {
      const F taken = V::Mul(V::LoadPart(later.sums + i, n - i), take);
      V::StorePart(into.sums + i, V::MulAdd(V::LoadPart(into.sums + i, n - i), keep, taken), n - i);
    }
    into.total = into.total * V::FirstLane(keep) + later.total * V::FirstLane(take);
    into.max = max;
  }

  static void Normalize(float* x, float total, int64_t n) {
    for (int64_t i = 0; i < n; ++i) x[i] /= total;
  }
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_DECODE_IMPL_H_
