#include "worker/layers/attention.h"

#include "worker/layers/attention_gqa.h"
#include "worker/layers/attention_mla.h"

namespace switchyard::worker {

std::unique_ptr<Attention> MakeAttention(const v1::ModelSpec& model) {
  if (model.has_gqa()) return std::make_unique<GqaAttention>();
  return std::make_unique<MlaAttention>();
}

RopeTables MakeRopeTables(kernels::Device& device, const v1::ModelSpec& model) {
  const int64_t positions = model.max_position_embeddings();
  if (!model.has_gqa()) {
    return {RopeTable(device, model.rope(), model.mla().qk_rope_head_dim(), positions,
                      /*halves=*/false)};
  }
  const v1::GqaSpec& gqa = model.gqa();
  const int64_t dim = gqa.rotary_dim() > 0 ? gqa.rotary_dim() : gqa.head_dim();
  RopeTables tables{RopeTable(device, model.rope(), dim, positions, /*halves=*/true)};
  if (gqa.has_windowed_rope()) {
    tables.windowed.emplace(device, gqa.windowed_rope(), dim, positions, /*halves=*/true);
  }
  return tables;
}

AttentionSize SizeOfAttention(const v1::ModelSpec& model, int64_t tokens, int64_t tensor_ranks,
                              bool quantises) {
  return model.has_gqa() ? GqaAttention::SizeOf(model, tokens, tensor_ranks)
                         : MlaAttention::SizeOf(model, tokens, tensor_ranks, quantises);
}

}  // namespace switchyard::worker
