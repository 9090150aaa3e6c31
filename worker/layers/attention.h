// Attention as a block sees it, of whichever kind the model has: one layer's projections, its part
// of the cache, and the sum over the tensor group.
#ifndef SWITCHYARD_WORKER_LAYERS_ATTENTION_H_
#define SWITCHYARD_WORKER_LAYERS_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "proto/model.pb.h"
#include "worker/kv/kv_store.h"
#include "worker/layers/forward_batch.h"
#include "worker/layers/linear.h"
#include "worker/layers/rope_table.h"

namespace switchyard::worker {

class Attention {
 public:
  virtual ~Attention() = default;

  // `prefix` is up to and with "self_attn.". The tables outlive the layer.
  virtual void Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
                    const v1::ModelSpec& model, int layer, const RopeTables* ropes) = 0;

  // Of Forward's x; known when weights are there.
  virtual InputForms input_forms() const = 0;

  // x: [T, H]; cache: of this layer; y: f32 [T, H], the same on every rank of the tensor group.
  // `layer` names what is traced.
  virtual absl::Status Forward(const LayerContext& context, const ForwardBatch& batch, int layer,
                               const NormedRows& x, const KvLayer& cache,
                               const kernels::TensorView& y) const = 0;

  // The first part of Forward: keys and values of x go where batch.slots says.
  virtual void WriteCache(const LayerContext& context, const ForwardBatch& batch, int layer,
                          const NormedRows& x, const KvLayer& cache) const = 0;
};

// What the arena must hold for attention.
struct AttentionSize {
  int64_t floats = 0;          // at most, of a step's rows on one rank, but for the sum over ranks
  int64_t output_columns = 0;  // inputs of o_proj, of all heads
};

// REQUIRES of all three: a model that names its kind of attention.
std::unique_ptr<Attention> MakeAttention(const v1::ModelSpec& model);
RopeTables MakeRopeTables(kernels::Device& device, const v1::ModelSpec& model);
// `quantises`: products quantise their activations.
AttentionSize SizeOfAttention(const v1::ModelSpec& model, int64_t tokens, int64_t tensor_ranks,
                              bool quantises);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_ATTENTION_H_
