#include "worker/kv/kv_store.h"

#include "base/check.h"

namespace switchyard::worker {

using kernels::TensorView;

int64_t KvLayout::ExpandedBytesPerLayer() const {
  return num_tiles * kTileTokens * (expanded_width + rope_width) * kernels::SizeOf(expanded_dtype);
}

KvLayout MakeKvLayout(const v1::ShardPlan& plan, int64_t num_layers, kernels::DType act) {
  const v1::MlaSpec& mla = plan.model().mla();
  const int64_t heads = plan.model().num_heads() / plan.layout().tensor_parallel();
  return {
      .num_layers = num_layers,
      .num_blocks = plan.kv().num_blocks(),
      .block_tokens = plan.kv().block_tokens(),
      .width = mla.kv_lora_rank() + mla.qk_rope_head_dim(),
      .dtype = plan.compute() == v1::COMPUTE_MODE_BF16 ? kernels::DType::kBf16 : act,
      .num_tiles = plan.kv().expanded_tokens() / KvLayout::kTileTokens,
      .expanded_width = heads * (int64_t{mla.qk_nope_head_dim()} + mla.v_head_dim()),
      .rope_width = mla.qk_rope_head_dim(),
      .expanded_dtype = act,
  };
}

KvStore::KvStore(kernels::Device& device, const KvLayout& layout)
    : layout_(layout),
      memory_(device.Allocate(layout.num_layers * layout.BytesPerLayer())),
      expanded_(device.Allocate(layout.num_layers * layout.ExpandedBytesPerLayer())) {}

KvLayer KvStore::layer(int64_t index) const {
  SY_CHECK(index >= 0 && index < layout_.num_layers) << "layer " << index;
  const int64_t expanded_tokens = layout_.num_tiles * KvLayout::kTileTokens;
  auto* const latents = static_cast<std::byte*>(memory_.data()) + index * layout_.BytesPerLayer();
  auto* const expanded =
      static_cast<std::byte*>(expanded_.data()) + index * layout_.ExpandedBytesPerLayer();
  auto* const expanded_k_pe =
      expanded + expanded_tokens * layout_.expanded_width * kernels::SizeOf(layout_.expanded_dtype);
  return {
      .latents = TensorView(latents, layout_.dtype,
                            {layout_.num_blocks, layout_.block_tokens, layout_.width}),
      .expanded =
          TensorView(expanded, layout_.expanded_dtype, {expanded_tokens, layout_.expanded_width}),
      .expanded_k_pe =
          TensorView(expanded_k_pe, layout_.expanded_dtype, {expanded_tokens, layout_.rope_width}),
  };
}

}  // namespace switchyard::worker
