#include "worker/layers/micro_batches.h"

#include <algorithm>

#include "base/check.h"
#include "base/units.h"
#include "kernels/args/attention.h"

namespace switchyard::worker {
namespace {

template <typename T>
std::vector<T> Cut(const std::vector<T>& all, int64_t begin, int64_t end) {
  return {all.begin() + begin, all.begin() + end};
}

// Rows of the span that lie in `rows`, counted from these.
PrefillSpan CutSpan(const PrefillSpan& span, const IndexRange& rows) {
  PrefillSpan cut = span;
  const int64_t begin = std::max(span.row_begin, rows.begin);
  const int64_t end = std::min(span.row_begin + span.num_rows, rows.end);
  const int64_t skipped = begin - span.row_begin;
  cut.row_begin = begin - rows.begin;
  cut.num_rows = end - begin;
  cut.begin_position = span.begin_position + skipped;
  using kernels::kPrefillTileTokens;
  // The rows before have expanded their keys as far as there are tiles; rows behind have tiles that
  // these do not reach.
  const int64_t kept = std::ssize(span.tiles) * kPrefillTileTokens;
  const int64_t reached = CeilDiv(cut.begin_position + cut.num_rows, kPrefillTileTokens);
  cut.tiles = span.tiles.first(static_cast<size_t>(std::min(reached, std::ssize(span.tiles))));
  if (skipped > 0) cut.num_expanded = std::min(cut.begin_position, kept);
  return cut;
}

}  // namespace

ForwardBatch RowsOf(const ForwardBatch& batch, const IndexRange& rows) {
  SY_CHECK(rows.begin >= 0 && rows.begin <= rows.end && rows.end <= batch.num_rows());
  ForwardBatch cut{.token_ids = Cut(batch.token_ids, rows.begin, rows.end),
                   .positions = Cut(batch.positions, rows.begin, rows.end),
                   .slots = Cut(batch.slots, rows.begin, rows.end)};
  for (const PrefillSpan& span : batch.prefill) {
    if (span.row_begin < rows.end && span.row_begin + span.num_rows > rows.begin) {
      cut.prefill.push_back(CutSpan(span, rows));
    }
  }
  const int64_t prompts = batch.num_prefill_rows;
  cut.num_prefill_rows = std::clamp(prompts, rows.begin, rows.end) - rows.begin;
  const int64_t begin = std::max(rows.begin, prompts) - prompts;
  const int64_t end = std::max(rows.end, prompts) - prompts;
  cut.decode_tables = Cut(batch.decode_tables, begin, end);
  if (batch.window_slots.empty()) return cut;
  cut.window_slots = Cut(batch.window_slots, rows.begin, rows.end);
  cut.window_decode_tables = Cut(batch.window_decode_tables, begin, end);
  return cut;
}

MicroBatches::MicroBatches(const ForwardBatch& batch, int count) : whole_(batch), count_(count) {
  SY_CHECK(count == 1 || count == 2) << count << " micro-batches";
  const int64_t all = batch.num_rows();
  rows_ = {IndexRange{0, all}};
  if (count == 1) return;
  const int64_t half = CeilDiv(all, 2);
  rows_ = {IndexRange{0, half}, IndexRange{half, all}};
  for (int i = 0; i < 2; ++i) parts_[i] = RowsOf(batch, rows_[i]);
}

}  // namespace switchyard::worker
