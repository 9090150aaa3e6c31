// DeepSeek-V3 and its kin (MODEL_SPECS 1): latent attention, a few dense blocks, then mixtures of
// experts, and multi-token-prediction blocks behind the last layer.
#ifndef SWITCHYARD_WORKER_MODELS_DEEPSEEK_V3_H_
#define SWITCHYARD_WORKER_MODELS_DEEPSEEK_V3_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/layers/attention_mla.h"
#include "worker/layers/mlp.h"
#include "worker/layers/moe.h"
#include "worker/layers/vocabulary.h"
#include "worker/models/model.h"

namespace switchyard::worker {

class DeepseekV3 final : public Model {
 public:
  // `parallel` outlives the model.
  DeepseekV3(const v1::ShardPlan& plan, const ParallelContext& parallel, kernels::Device& device);

  void Load(WeightLoader& loader, const LayerContext& context) override;
  absl::Status Forward(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                       const kernels::TensorView& hidden, const kernels::TensorView& logits,
                       std::span<uint32_t> expert_rows) override;
  int64_t ArenaBytes(const v1::StepLimits& limits, int64_t max_output_rows) const override;

  int64_t table_bytes() const override { return rope_.num_bytes(); }
  int num_mtp_layers() const override { return model_.num_mtp_layers(); }
  // MODEL_SPECS 1.8.
  absl::Status ForwardMtp(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                          const kernels::TensorView& hidden, const kernels::TensorView& next_hidden,
                          const kernels::TensorView& logits,
                          std::span<uint32_t> expert_rows) override;

 private:
  struct Block {
    DeviceTensor input_norm;
    MlaAttention attention;
    DeviceTensor post_attention_norm;
    std::unique_ptr<DenseMlp> mlp;  // one of the two
    std::unique_ptr<MoeBlock> moe;
  };
  struct MtpBlock {
    TokenEmbedding embedding;
    DeviceTensor embedding_norm, hidden_norm;
    std::unique_ptr<kernels::PackedLinear> projection;
    Block block;
    DeviceTensor head_norm;
    LmHead head;
  };
  // Rows that travel down the layers. After a block the residual sum is h + delta: the next norm
  // adds them.
  struct Stream {
    kernels::TensorView h;       // act [T, H]
    kernels::TensorView delta;   // act [T, H]; empty before the first block
    kernels::TensorView normed;  // act [T, H]
  };

  void LoadBlock(WeightLoader& loader, const LayerContext& context, int layer, Block* block);
  void LoadMtp(WeightLoader& loader, const LayerContext& context);
  Stream TakeStream(const LayerContext& context, const kernels::TensorView& normed) const;
  absl::Status JoinTokens(const LayerContext& context, const ForwardBatch& batch,
                          const kernels::TensorView& hidden, const Stream& stream) const;
  // Logits of the batch's output rows, which are gathered into `rows` [output_rows, H].
  void Project(const LayerContext& context, const ForwardBatch& batch, const LmHead& head,
               const kernels::TensorView& normed, const kernels::TensorView& rows,
               const kernels::TensorView& logits) const;
  // In the forms that the next layer reads: rows in stream.normed, quantised rows in the arena.
  NormedRows Norm(const LayerContext& context, const Stream& stream, const DeviceTensor& weight,
                  bool add_delta, const InputForms& forms = {}) const;
  absl::Status ForwardBlock(const LayerContext& context, const ForwardBatch& batch, int layer,
                            const Block& block, KvStore& kv, const Stream& stream, bool first,
                            std::span<uint32_t> expert_rows) const;

  const v1::ModelSpec model_;
  const bool drafts_;     // the plan has the model draft
  const bool quantises_;  // the plan's products quantise their activations
  const ParallelContext& parallel_;
  const RopeTable rope_;
  TokenEmbedding embedding_;
  std::vector<Block> blocks_;
  DeviceTensor final_norm_;
  LmHead head_;
  std::unique_ptr<MtpBlock> mtp_;  // null where the model has none
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_DEEPSEEK_V3_H_
