// What the model computes in one step, as flat arrays: made by worker/exec/batch_builder from a
// step plan, read by models and layers. Rows (tokens) stand in two regions: first all prompt
// tokens, whose attention runs in the naive form, then all generated tokens, which run absorbed
// (ARCHITECTURE 1.5). A sequence may have rows in both.
#ifndef SWITCHYARD_WORKER_LAYERS_FORWARD_BATCH_H_
#define SWITCHYARD_WORKER_LAYERS_FORWARD_BATCH_H_

#include <cstdint>
#include <span>
#include <vector>

namespace switchyard::worker {

// Prompt rows of one sequence: rows [row_begin, row_begin + num_rows) hold positions begin_position
// ascending.
struct PrefillSpan {
  int64_t row_begin = 0;
  int64_t num_rows = 0;
  int64_t begin_position = 0;
  std::span<const int32_t> table;  // the sequence's blocks; covers the last position
  // The same of layers with a window, if they are a kind of their own: what the window shows
  // counts.
  std::span<const int32_t> window_table;
  // Where its first tiles of keys and values are kept expanded (KvLayer); may be fewer than it has.
  std::span<const int32_t> tiles;
  int64_t num_expanded = 0;  // positions that are there from steps before
};

struct ForwardBatch {
  std::vector<int32_t> token_ids;  // T
  std::vector<int32_t> positions;  // T
  std::vector<int64_t> slots;      // T: where each token's latent is cached
  std::vector<PrefillSpan> prefill;
  int64_t num_prefill_rows = 0;               // rows of the first region
  std::vector<const int32_t*> decode_tables;  // T - num_prefill_rows
  // The same of layers with a window; empty unless they are a kind of their own (KvPlan).
  std::vector<int64_t> window_slots;
  std::vector<const int32_t*> window_decode_tables;
  std::vector<int32_t> output_rows;  // rows whose logits are wanted
  // T: the token behind each; kUnknown where this step is to sample it.
  std::vector<int32_t> next_tokens;

  static constexpr int32_t kUnknown = -1;

  int64_t num_rows() const { return static_cast<int64_t>(token_ids.size()); }

  // Empties every array and keeps their memory.
  void Clear() {
    token_ids.clear();
    positions.clear();
    slots.clear();
    prefill.clear();
    num_prefill_rows = 0;
    decode_tables.clear();
    window_slots.clear();
    window_decode_tables.clear();
    output_rows.clear();
    next_tokens.clear();
  }
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_FORWARD_BATCH_H_
