// A model as the executor sees it. Architecture only: layers do the work, ranks are the layers'
// business.
#ifndef SWITCHYARD_WORKER_MODELS_MODEL_H_
#define SWITCHYARD_WORKER_MODELS_MODEL_H_

#include <cstdint>
#include <span>

#include "base/status.h"
#include "proto/cluster.pb.h"
#include "worker/kv/kv_store.h"
#include "worker/layers/forward_batch.h"
#include "worker/layers/layer_context.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

class Model {
 public:
  virtual ~Model() = default;

  // Asks the loader for every weight of this rank; they are there when the loader has run.
  virtual void Load(WeightLoader& loader, const LayerContext& context) = 0;

  // Caches the batch's tokens. Computes `hidden`, act [T, H]: every row behind the last norm; and
  // from it logits f32 [output_rows, this rank's part of the vocabulary] for the batch's output
  // rows. Every rank of the world calls it in every step, with an empty batch if need be. Errors:
  // those of Collectives.
  virtual absl::Status Forward(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                               const kernels::TensorView& hidden,
                               const kernels::TensorView& logits) = 0;

  // Upper bound of the arena that Forward, `hidden` and, where the plan has it, ForwardMtp need in
  // a step of at most `limits`, with logits of `max_output_rows` rows; the logits themselves are
  // not in it.
  virtual int64_t ArenaBytes(const v1::StepLimits& limits, int64_t max_output_rows) const = 0;

  // Device memory of what the model makes itself, beside the weights.
  virtual int64_t table_bytes() const { return 0; }

  // Blocks that predict the token after the next, each with a layer of the cache behind the model's
  // own.
  virtual int num_mtp_layers() const { return 0; }

  // The first of them: row t of `hidden` is the model's state behind its last norm at position
  // batch.positions[t], `batch.token_ids[t]` the *next* token. The logits f32 [output_rows, this
  // rank's part] guess the token after that; `next_hidden`, act [output_rows, H], stands for the
  // model's state there when a guess is to be followed by another. As Forward otherwise. REQUIRES:
  // num_mtp_layers() > 0.
  virtual absl::Status ForwardMtp(const LayerContext& context, const ForwardBatch& batch,
                                  KvStore& kv, const kernels::TensorView& hidden,
                                  const kernels::TensorView& next_hidden,
                                  const kernels::TensorView& logits);

  // What ForwardMtp puts into the cache, of rows that no guess is wanted behind: positions, slots
  // and tokens of the batch count. A fraction of its work, for nothing else is computed. All ranks
  // of a tensor group call it alike. REQUIRES: num_mtp_layers() > 0.
  virtual absl::Status CacheMtp(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                                const kernels::TensorView& hidden);
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_MODEL_H_
