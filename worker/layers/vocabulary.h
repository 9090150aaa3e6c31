// The two ends of a model, their rows spread over the tensor group: token ids to hidden rows,
// hidden rows to logits.
#ifndef SWITCHYARD_WORKER_LAYERS_VOCABULARY_H_
#define SWITCHYARD_WORKER_LAYERS_VOCABULARY_H_

#include <memory>
#include <span>
#include <string>

#include "worker/layers/linear.h"

namespace switchyard::worker {

class TokenEmbedding {
 public:
  // Rows are multiplied by `scale`.
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& tensor,
            int64_t vocab_size, int64_t hidden_size, float scale = 1);
  // y: f32 [T, H], the same on every rank of the tensor group.
  absl::Status Forward(const LayerContext& context, std::span<const int32_t> ids,
                       const kernels::TensorView& y) const;

 private:
  DeviceTensor table_;
  int64_t first_row_ = 0;
  float scale_ = 1;
};

class LmHead {
 public:
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& tensor,
            int64_t vocab_size, int64_t hidden_size);
  // x: act [T, H]; logits: f32 [T, columns of this rank's part of the vocabulary].
  void Forward(const LayerContext& context, const kernels::TensorView& x,
               const kernels::TensorView& logits) const;

 private:
  std::unique_ptr<kernels::PackedLinear> weight_;
};

// Every rank's part of the logits, f32 [T, own columns], to f32 [T, vocabulary] on all ranks of the
// tensor group: for tools that look at whole rows. Takes as much again from the arena.
absl::Status GatherLogits(const LayerContext& context, const kernels::TensorView& part,
                          const kernels::TensorView& logits);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_VOCABULARY_H_
