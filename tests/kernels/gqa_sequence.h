// Sequences for the tests of grouped-query attention: queries, keys and values of every position,
// where they lie in a paged cache, and what attention should make of them.
#ifndef SWITCHYARD_TESTS_KERNELS_GQA_SEQUENCE_H_
#define SWITCHYARD_TESTS_KERNELS_GQA_SEQUENCE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/cases/gqa.h"
#include "kernels/dtype.h"
#include "tests/kernels/reference/attention_reference.h"

namespace switchyard::kernels {

// Values that BF16 holds, so that rounding them changes nothing.
inline std::vector<float> GqaValues(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = ToFloat(ToBf16(normal(random)));
  return values;
}

struct GqaSequence {
  GqaSequence(const cases::GqaCase& widths, int64_t num_tokens, uint32_t seed = 1)
      : shape(widths),
        tokens(num_tokens),
        q(GqaValues(tokens * out_width(), seed)),
        k(GqaValues(tokens * kv_width(), seed + 1)),
        v(GqaValues(tokens * kv_width(), seed + 2)) {}

  int64_t out_width() const { return shape.heads * shape.dim; }
  int64_t kv_width() const { return shape.kv_heads * shape.dim; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(shape.dim)); }
  // The first position that a query at position t sees.
  int64_t FirstSeen(int64_t t) const {
    return shape.window == 0 ? 0 : std::max<int64_t>(t + 1 - shape.window, 0);
  }
  // Of all heads: some matter, some do not.
  static std::vector<float> Sinks(const cases::GqaCase& shape) {
    std::vector<float> sinks;
    for (int64_t head = 0; head < shape.heads; ++head) {
      sinks.push_back(static_cast<float>(3 * (head % 4)) - 3);
    }
    return sinks;
  }

  // Appends all heads of the query at position t.
  void AddReference(int64_t t, reference::AttentionOutput& all) const {
    const std::vector<float> sinks = Sinks(shape);
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t kv = head / (shape.heads / shape.kv_heads);
      const auto of = [&](const std::vector<float>& values, int64_t u) {
        return std::span(values).subspan(static_cast<size_t>((u * shape.kv_heads + kv) * shape.dim),
                                         static_cast<size_t>(shape.dim));
      };
      reference::AttentionQuery query = {
          .q = std::span(q).subspan(static_cast<size_t>((t * shape.heads + head) * shape.dim),
                                    static_cast<size_t>(shape.dim)),
          .begin = FirstSeen(t),
          .position = t,
          .scale = scale(),
          .key = [&](int64_t u) { return of(k, u); },
          .value = [&](int64_t u) { return of(v, u); }};
      if (shape.sinks) query.sink = sinks[static_cast<size_t>(head)];
      const auto one = reference::Attention(query);
      all.value.insert(all.value.end(), one.value.begin(), one.value.end());
      all.magnitude.insert(all.magnitude.end(), one.magnitude.begin(), one.magnitude.end());
    }
  }

  const cases::GqaCase shape;
  const int64_t tokens;
  std::vector<float> q, k, v;  // [tokens, heads or kv_heads, dim]
};

// Block tables of sequences of so many tokens, dealt out by a seed; some blocks are nobody's.
class GqaBlocks {
 public:
  GqaBlocks(const std::vector<int64_t>& tokens, int64_t block_tokens, uint32_t seed)
      : block_tokens_(block_tokens) {
    for (const int64_t count : tokens) num_blocks_ += (count + block_tokens - 1) / block_tokens;
    std::vector<int32_t> blocks(static_cast<size_t>(num_blocks_));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937(seed));
    for (const int64_t count : tokens) {
      tables_.emplace_back(blocks.end() - (count + block_tokens - 1) / block_tokens, blocks.end());
      blocks.resize(blocks.size() - tables_.back().size());
    }
  }

  int64_t num_blocks() const { return num_blocks_; }
  std::vector<int32_t>& table(int64_t sequence) { return tables_[static_cast<size_t>(sequence)]; }
  std::vector<const int32_t*> tables() const {
    std::vector<const int32_t*> pointers;
    for (const auto& table : tables_) pointers.push_back(table.data());
    return pointers;
  }
  // Of the first `count` positions of a sequence.
  std::vector<int64_t> SlotsOf(int64_t sequence, int64_t count) const {
    std::vector<int64_t> slots;
    const auto& table = tables_[static_cast<size_t>(sequence)];
    for (int64_t u = 0; u < count; ++u) {
      slots.push_back(table[static_cast<size_t>(u / block_tokens_)] * block_tokens_ +
                      u % block_tokens_);
    }
    return slots;
  }
  // Blocks that lie wholly before position `first` are another's by now.
  void FreeBefore(int64_t sequence, int64_t first) {
    auto& table = tables_[static_cast<size_t>(sequence)];
    std::fill_n(table.begin(), first / block_tokens_, -1);
  }

 private:
  const int64_t block_tokens_;
  int64_t num_blocks_ = 3;
  std::vector<std::vector<int32_t>> tables_;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_GQA_SEQUENCE_H_
