// One layer of a decoder: norm, attention, norm, dense MLP or mixture of experts, with the residual
// sum between them (MODEL_SPECS 1.3). Where the model has them, attention and dense MLP put out
// through norms of their own (MODEL_SPECS 8b). RunBlocks (block_run.h) puts the parts together.
#ifndef SWITCHYARD_WORKER_MODELS_DECODER_BLOCK_H_
#define SWITCHYARD_WORKER_MODELS_DECODER_BLOCK_H_

#include <memory>

#include "worker/layers/attention.h"
#include "worker/layers/mlp.h"
#include "worker/layers/moe.h"

namespace switchyard::worker {

// Rows that travel down the layers. After a block the residual sum is h + delta: the next norm
// adds them.
struct Stream {
  kernels::TensorView h;       // act [T, H]
  kernels::TensorView delta;   // act [T, H]; empty before the first block
  kernels::TensorView normed;  // act [T, H]
};

// `normed` is the caller's, the rest the arena's.
Stream TakeStream(const LayerContext& context, const kernels::TensorView& normed);

struct StreamNorm {
  const DeviceTensor& weight;
  float eps = 0;
  bool add_delta = true;
};
// In the forms that the next layer reads: rows in stream.normed, quantised rows in the arena.
NormedRows NormStream(const LayerContext& context, const Stream& stream, const StreamNorm& norm,
                      const InputForms& forms = {});

class DecoderBlock {
 public:
  // Layer `layer` of the checkpoint and of the cache.
  void Load(WeightLoader& loader, const LayerContext& context, const v1::ModelSpec& model,
            int layer, const RopeTables* ropes);

  // All up to the experts, which take stream.normed and put out stream.delta; or all, where there
  // are none. `first`: the stream has no delta yet.
  absl::Status Attend(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                      const Stream& stream, bool first) const;
  // Of stream.h, which has no delta yet, what Attend puts into the cache, and nothing else.
  void WriteCache(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                  const Stream& stream) const;
  const MoeBlock* moe() const { return moe_.get(); }  // null: a dense block
  int layer() const { return layer_; }

 private:
  // Of what attention or MLP has put out, in place; nothing where the model has no such norm.
  void NormOutput(const LayerContext& context, const DeviceTensor& norm,
                  const kernels::TensorView& rows) const;

  int layer_ = 0;
  float eps_ = 0;
  DeviceTensor attention_norm_, attention_output_norm_;  // outputs' may be empty
  std::unique_ptr<Attention> attention_;
  DeviceTensor mlp_norm_, mlp_output_norm_;
  std::unique_ptr<DenseMlp> mlp_;  // one of the two
  std::unique_ptr<MoeBlock> moe_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_DECODER_BLOCK_H_
