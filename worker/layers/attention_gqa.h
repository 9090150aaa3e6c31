// Grouped-query attention over the paged cache (MODEL_SPECS 5 to 8): query heads over the tensor
// group, each rank with the key-value heads that its query heads read. Where there are more ranks
// than key-value heads, several ranks compute and cache the same one.
#ifndef SWITCHYARD_WORKER_LAYERS_ATTENTION_GQA_H_
#define SWITCHYARD_WORKER_LAYERS_ATTENTION_GQA_H_

#include <memory>
#include <string>

#include "worker/layers/attention.h"

namespace switchyard::worker {

class GqaAttention final : public Attention {
 public:
  // REQUIRES: the tensor group divides the query heads, and divides the key-value heads or is
  // divided by them.
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
            const v1::ModelSpec& model, int layer, const RopeTables* ropes) override;
  InputForms input_forms() const override;
  absl::Status Forward(const LayerContext& context, const ForwardBatch& batch, int layer,
                       const NormedRows& x, const KvLayer& cache,
                       const kernels::TensorView& y) const override;
  void WriteCache(const LayerContext& context, const ForwardBatch& batch, int layer,
                  const NormedRows& x, const KvLayer& cache) const override;

  static AttentionSize SizeOf(const v1::ModelSpec& model, int64_t tokens, int64_t tensor_ranks);

 private:
  // Of heads [T, heads, D], in place, where the model has one.
  void Norm(const LayerContext& context, const DeviceTensor& norm,
            const kernels::TensorView& heads) const;
  // Rotated, [T, A, D].
  kernels::TensorView Query(const LayerContext& context, const ForwardBatch& batch,
                            const NormedRows& x) const;
  void Attend(const LayerContext& context, const ForwardBatch& batch, const kernels::TensorView& q,
              const kernels::TensorView& cache, const kernels::TensorView& out) const;

  int64_t heads_ = 0;       // A, of this rank
  int64_t head_begin_ = 0;  // the first of them
  int64_t kv_heads_ = 0;    // H, of this rank
  int64_t dim_ = 0;         // D
  int64_t rotary_dim_ = 0;  // at most D
  int64_t window_ = 0;      // 0: none
  // The batch's tables that this layer's cache goes by.
  bool IsApart(const ForwardBatch& batch) const {
    return window_ > 0 && !batch.window_slots.empty();
  }

  float scale_ = 0;
  float eps_ = 0;
  const RopeTable* rope_ = nullptr;
  std::unique_ptr<kernels::PackedLinear> q_, k_, v_;
  DeviceTensor q_norm_, k_norm_;  // f32 [D]; empty where the model has none
  DeviceTensor sinks_;            // f32 [all heads]; empty where the model has none
  RowParallelLinear o_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_ATTENTION_GQA_H_
