// Multi-head latent attention over the paged cache (MODEL_SPECS 1.5): heads over the tensor group,
// latents on every rank. Prompt rows run in the naive form, generated rows absorbed.
#ifndef SWITCHYARD_WORKER_LAYERS_ATTENTION_MLA_H_
#define SWITCHYARD_WORKER_LAYERS_ATTENTION_MLA_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/layers/attention.h"

namespace switchyard::worker {

// Latent norms use this eps whatever the config says (MODEL_SPECS 1.1).
inline constexpr float kLatentNormEps = 1e-6f;

class MlaAttention final : public Attention {
 public:
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
            const v1::ModelSpec& model, int layer, const RopeTables* ropes) override;
  InputForms input_forms() const override;
  absl::Status Forward(const LayerContext& context, const ForwardBatch& batch, int layer,
                       const NormedRows& x, const KvLayer& cache,
                       const kernels::TensorView& y) const override;
  void WriteCache(const LayerContext& context, const ForwardBatch& batch, int layer,
                  const NormedRows& x, const KvLayer& cache) const override;

  static AttentionSize SizeOf(const v1::ModelSpec& model, int64_t tokens, int64_t tensor_ranks,
                              bool quantises);

 private:
  // Weights of one shape, one for each head, and what BatchedLinear takes of them.
  struct HeadWeights {
    std::vector<std::unique_ptr<kernels::PackedLinear>> packed;
    std::vector<const kernels::PackedLinear*> views;
  };
  // Keys and values of some positions in the naive form.
  struct ExpandedRows {
    kernels::TensorView kv;    // act [count, heads * (P + W)]
    kernels::TensorView k_pe;  // act [count, D]
  };
  // One tile of them.
  struct ExpandedTile {
    ExpandedRows rows;
    int64_t num_done = 0;  // of them, the first, are there already
  };

  void LoadQuery(WeightLoader& loader, const std::string& prefix, const v1::ModelSpec& model);
  void LoadKeyValue(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
                    const v1::ModelSpec& model);
  std::vector<DerivedLinear> AbsorbedWeights(const LayerContext& context);
  kernels::TensorView Query(const LayerContext& context, const ForwardBatch& batch,
                            const NormedRows& x) const;
  void Prefill(const LayerContext& context, const ForwardBatch& batch, const PrefillSpan& span,
               const kernels::TensorView& q, const KvLayer& cache,
               const kernels::TensorView& out) const;
  void LayOutTiles(const LayerContext& context, const PrefillSpan& span, const KvLayer& cache,
                   const ExpandedRows& scratch, std::span<void* const> tiles) const;
  void ExpandTile(const LayerContext& context, const PrefillSpan& span, const KvLayer& cache,
                  int64_t begin, const ExpandedTile& tile) const;
  void Decode(const LayerContext& context, const ForwardBatch& batch, const kernels::TensorView& q,
              const kernels::TensorView& cache, const kernels::TensorView& out) const;

  int64_t heads_ = 0;       // of this rank
  int64_t head_begin_ = 0;  // the first of them
  int64_t latent_ = 0;      // R
  int64_t rope_dim_ = 0;    // D
  int64_t nope_dim_ = 0;    // P
  int64_t value_dim_ = 0;   // W
  float scale_ = 0;
  const RopeTable* rope_ = nullptr;

  std::unique_ptr<kernels::PackedLinear> q_a_;  // null: no query latent
  DeviceTensor q_a_norm_;
  std::unique_ptr<kernels::PackedLinear> q_b_;  // or the full query projection
  std::unique_ptr<kernels::PackedLinear> kv_a_;
  DeviceTensor kv_a_norm_;
  std::unique_ptr<kernels::PackedLinear>
      kv_b_;  // naive form: latent -> keys and values of each head
  // Absorbed form, per head: query into the latent space [R, P], latent into values [W, R].
  HeadWeights query_to_latent_, latent_to_value_;
  RowParallelLinear o_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_ATTENTION_MLA_H_
