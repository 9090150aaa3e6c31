// The decoder that most models are: embedding, blocks, a last norm, a head. What a block is made of
// (which attention, experts or not, biases, windows) the spec says, so llama and qwen2 are this
// class as it stands; a model that has more adds it (DeepseekV3).
#ifndef SWITCHYARD_WORKER_MODELS_DECODER_H_
#define SWITCHYARD_WORKER_MODELS_DECODER_H_

#include <string>
#include <string_view>
#include <vector>

#include "worker/layers/vocabulary.h"
#include "worker/models/decoder_block.h"
#include "worker/models/model.h"

namespace switchyard::worker {

class Decoder : public Model {
 public:
  // `parallel` outlives the model.
  Decoder(const v1::ShardPlan& plan, const ParallelContext& parallel, kernels::Device& device);

  void Load(WeightLoader& loader, const LayerContext& context) override;
  absl::Status Forward(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                       const kernels::TensorView& hidden,
                       const kernels::TensorView& logits) override;
  int64_t ArenaBytes(const v1::StepLimits& limits, int64_t max_output_rows) const override;
  int64_t table_bytes() const override { return ropes_.num_bytes(); }

 protected:
  const v1::ModelSpec& model() const { return model_; }
  const RopeTables& ropes() const { return ropes_; }
  // Of a tensor that belongs to no layer.
  std::string NameOf(std::string_view tensor) const {
    return model_.tensor_prefix() + std::string(tensor);
  }
  // A norm of this model's eps.
  StreamNorm NormBy(const DeviceTensor& weight) const {
    return {.weight = weight, .eps = static_cast<float>(model_.rms_norm_eps())};
  }
  // Logits of the batch's output rows, which are gathered into `rows` [output_rows, H].
  void Project(const LayerContext& context, const ForwardBatch& batch, const LmHead& head,
               const kernels::TensorView& normed, const kernels::TensorView& rows,
               const kernels::TensorView& logits) const;
  // Rows [H] that stand in the arena through all layers of a step.
  virtual int64_t StreamRows(const v1::StepLimits& limits) const {
    return 3 * int64_t{limits.max_batched_tokens()};
  }

 private:
  const v1::ModelSpec model_;
  const bool quantises_;  // the plan's products quantise their activations
  const ParallelContext& parallel_;
  const RopeTables ropes_;
  TokenEmbedding embedding_;
  std::vector<DecoderBlock> blocks_;
  DeviceTensor final_norm_;
  LmHead head_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_DECODER_H_
