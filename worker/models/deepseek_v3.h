// DeepSeek-V3 and its kin (MODEL_SPECS 1): a decoder of latent attention, a few dense blocks, then
// mixtures of experts, and multi-token-prediction blocks behind the last layer.
#ifndef SWITCHYARD_WORKER_MODELS_DEEPSEEK_V3_H_
#define SWITCHYARD_WORKER_MODELS_DEEPSEEK_V3_H_

#include <memory>

#include "worker/models/decoder.h"

namespace switchyard::worker {

class DeepseekV3 final : public Decoder {
 public:
  DeepseekV3(const v1::ShardPlan& plan, const ParallelContext& parallel, kernels::Device& device);

  void Load(WeightLoader& loader, const LayerContext& context) override;

  int num_mtp_layers() const override { return model().num_mtp_layers(); }
  // MODEL_SPECS 1.8.
  absl::Status ForwardMtp(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                          const kernels::TensorView& hidden, const kernels::TensorView& next_hidden,
                          const kernels::TensorView& logits) override;
  absl::Status CacheMtp(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                        const kernels::TensorView& hidden) override;

 protected:
  int64_t StreamRows(const v1::StepLimits& limits) const override;

 private:
  struct MtpBlock {
    TokenEmbedding embedding;
    DeviceTensor embedding_norm, hidden_norm;
    std::unique_ptr<kernels::PackedLinear> projection;
    DecoderBlock block;
    DeviceTensor head_norm;
    LmHead head;
  };

  void LoadMtp(WeightLoader& loader, const LayerContext& context);
  absl::Status JoinTokens(const LayerContext& context, const ForwardBatch& batch,
                          const kernels::TensorView& hidden, const Stream& stream) const;

  const bool drafts_;              // the plan has the model draft
  std::unique_ptr<MtpBlock> mtp_;  // null where the model has none
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_DEEPSEEK_V3_H_
