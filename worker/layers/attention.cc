#include "worker/layers/attention.h"

#include "worker/layers/attention_gqa.h"
#include "worker/layers/attention_mla.h"

namespace switchyard::worker {

std::unique_ptr<Attention> MakeAttention(const v1::ModelSpec& model) {
  if (model.has_gqa()) return std::make_unique<GqaAttention>();
  return std::make_unique<MlaAttention>();
}

RopeTable MakeRopeTable(kernels::Device& device, const v1::ModelSpec& model) {
  const int64_t positions = model.max_position_embeddings();
  if (model.has_gqa()) {
    return RopeTable(device, model.rope(), model.gqa().head_dim(), positions, /*halves=*/true);
  }
  return RopeTable(device, model.rope(), model.mla().qk_rope_head_dim(), positions,
                   /*halves=*/false);
}

AttentionSize SizeOfAttention(const v1::ModelSpec& model, int64_t tokens, int64_t tensor_ranks,
                              bool quantises) {
  return model.has_gqa() ? GqaAttention::SizeOf(model, tokens, tensor_ranks)
                         : MlaAttention::SizeOf(model, tokens, tensor_ranks, quantises);
}

}  // namespace switchyard::worker
