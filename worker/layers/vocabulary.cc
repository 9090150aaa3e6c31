#include "worker/layers/vocabulary.h"

#include <vector>

namespace switchyard::worker {

using kernels::DType;
using kernels::TensorView;

namespace {

MatrixSlice VocabularySlice(const LayerContext& context, const std::string& tensor,
                            int64_t vocab_size, int64_t hidden_size) {
  const IndexRange rows = context.parallel.VocabularyRows();
  return {.tensor = tensor,
          .rows = vocab_size,
          .cols = hidden_size,
          .row_begin = rows.begin,
          .row_end = rows.end};
}

}  // namespace

void TokenEmbedding::Load(WeightLoader& loader, const LayerContext& context,
                          const std::string& tensor, int64_t vocab_size, int64_t hidden_size) {
  first_row_ = context.parallel.VocabularyRows().begin;
  loader.Table(VocabularySlice(context, tensor, vocab_size, hidden_size), &table_);
}

absl::Status TokenEmbedding::Forward(const LayerContext& context, std::span<const int32_t> ids,
                                     const TensorView& y) const {
  context.ops.Embedding({.ids = ids, .table = table_.view, .first_row = first_row_, .y = y});
  if (context.parallel.tensor_parallel() == 1) return absl::OkStatus();
  // One rank has the row, the others zeros: the sum is exact.
  ActivationArena::Scope scope(context.arena);
  const TensorView sums = TakeSums(context, y);
  if (sums.data != y.data) context.ops.Cast({.x = y, .y = sums});
  return TreeAllReduce(context, sums, y);
}

void LmHead::Load(WeightLoader& loader, const LayerContext& context, const std::string& tensor,
                  int64_t vocab_size, int64_t hidden_size) {
  MatrixSlice slice = VocabularySlice(context, tensor, vocab_size, hidden_size);
  slice.fine = true;
  loader.Linear(slice, &weight_);
}

void LmHead::Forward(const LayerContext& context, const TensorView& x,
                     const TensorView& logits) const {
  ApplyLinear(context, *weight_, x, logits);
}

absl::Status GatherLogits(const LayerContext& context, const TensorView& part,
                          const TensorView& logits) {
  const int num_ranks = context.parallel.tensor_parallel();
  if (num_ranks == 1) {
    context.ops.Cast({.x = part, .y = logits});
    return absl::OkStatus();
  }
  ActivationArena::Scope scope(context.arena);
  const TensorView all = context.arena.Take(DType::kF32, {logits.NumElements()});
  std::vector<int64_t> num_bytes(num_ranks);
  for (int rank = 0; rank < num_ranks; ++rank) {
    num_bytes[rank] =
        part.rows() * context.parallel.VocabularyRowsOf(rank).size() * int64_t{sizeof(float)};
  }
  SY_RETURN_IF_ERROR(context.tensor_group.AllGatherV(part.data, all.data, num_bytes));
  const auto* from = static_cast<const float*>(all.data);
  for (int rank = 0; rank < num_ranks; ++rank) {
    const IndexRange columns = context.parallel.VocabularyRowsOf(rank);
    const TensorView gathered(from, DType::kF32, {part.rows(), columns.size()});
    context.ops.Cast({.x = gathered, .y = logits.Cols(columns.begin, columns.size())});
    from += gathered.NumElements();
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
