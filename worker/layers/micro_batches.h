// A step's rows in one micro-batch or two: what travels of one while the other computes. Rows
// depend on themselves alone, so the cut changes no bit (ARCHITECTURE 1.5).
#ifndef SWITCHYARD_WORKER_LAYERS_MICRO_BATCHES_H_
#define SWITCHYARD_WORKER_LAYERS_MICRO_BATCHES_H_

#include <array>

#include "worker/layers/forward_batch.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

// Rows [begin, end) of a batch, for layers: output rows and next tokens stay with the whole. In
// each layer the rows before `begin` are computed first; so keys and values of a sequence that is
// cut are there.
ForwardBatch RowsOf(const ForwardBatch& batch, const IndexRange& rows);

class MicroBatches {
 public:
  // Two are halves, the first the larger; they may be empty. `batch` outlives it.
  MicroBatches(const ForwardBatch& batch, int count);

  int count() const { return count_; }
  const IndexRange& rows(int i) const { return rows_[i]; }
  const ForwardBatch& batch(int i) const { return count_ == 1 ? whole_ : parts_[i]; }

 private:
  const ForwardBatch& whole_;
  const int count_;
  std::array<IndexRange, 2> rows_;
  std::array<ForwardBatch, 2> parts_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_MICRO_BATCHES_H_
