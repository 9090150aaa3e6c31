#include "worker/kv/kv_store.h"

#include "base/check.h"
#include "base/units.h"

namespace switchyard::worker {

using kernels::TensorView;

int64_t KvLayout::ExpandedBytesPerLayer() const {
  if (tile_bytes > 0) return num_tiles * tile_bytes;
  return num_tiles * kTileTokens * (expanded_width + rope_width) * kernels::SizeOf(expanded_dtype);
}

int64_t KvLayout::BytesBefore(int64_t layer) const {
  int64_t blocks = 0;
  for (int64_t before = 0; before < layer; ++before) blocks += BlocksOf(before);
  return blocks * block_tokens * width * kernels::SizeOf(dtype);
}

KvLayout MakeKvLayout(const v1::ShardPlan& plan, int64_t num_layers, const kernels::Ops& ops) {
  const kernels::DType act = ops.activation_dtype();
  KvLayout layout{
      .num_layers = num_layers,
      .num_blocks = plan.kv().num_blocks(),
      .block_tokens = plan.kv().block_tokens(),
      .dtype = plan.compute() == v1::COMPUTE_MODE_BF16 ? kernels::DType::kBf16 : act,
      .expanded_dtype = act,
  };
  const int64_t ranks = plan.layout().tensor_parallel();
  if (plan.model().has_gqa()) {
    const v1::GqaSpec& gqa = plan.model().gqa();
    layout.kv_heads = CeilDiv(gqa.num_kv_heads(), ranks);
    layout.width = 2 * layout.kv_heads * gqa.head_dim();
    layout.num_window_blocks = plan.kv().num_window_blocks();
    if (layout.num_window_blocks > 0) {
      for (const int32_t window : gqa.windows()) layout.is_windowed.push_back(window > 0);
      layout.is_windowed.resize(static_cast<size_t>(num_layers), false);
    }
    return layout;
  }
  const v1::MlaSpec& mla = plan.model().mla();
  const int64_t heads = plan.model().num_heads() / ranks;
  layout.width = mla.kv_lora_rank() + mla.qk_rope_head_dim();
  layout.num_tiles = plan.kv().expanded_tokens() / KvLayout::kTileTokens;
  layout.expanded_width = heads * (int64_t{mla.qk_nope_head_dim()} + mla.v_head_dim());
  layout.rope_width = mla.qk_rope_head_dim();
  layout.tile_bytes =
      ops.KeyTileBytes({.heads = heads,
                        .key_dim = int64_t{mla.qk_nope_head_dim()} + mla.qk_rope_head_dim(),
                        .value_dim = mla.v_head_dim(),
                        .bf16 = plan.compute() == v1::COMPUTE_MODE_BF16});
  return layout;
}

KvStore::KvStore(kernels::Device& device, const KvLayout& layout)
    : layout_(layout),
      memory_(device.AllocateAhead(layout.BytesBefore(layout.num_layers))),
      expanded_(device.AllocateAhead(layout.num_layers * layout.ExpandedBytesPerLayer())) {}

KvLayer KvStore::layer(int64_t index) const {
  SY_CHECK(index >= 0 && index < layout_.num_layers) << "layer " << index;
  auto* const memory = static_cast<std::byte*>(memory_.data()) + layout_.BytesBefore(index);
  if (layout_.kv_heads > 0) {
    const int64_t head_dim = layout_.width / (2 * layout_.kv_heads);
    return {.keys_values = TensorView(
                memory, layout_.dtype,
                {layout_.BlocksOf(index), layout_.kv_heads, 2 * layout_.block_tokens, head_dim})};
  }
  auto* const expanded =
      static_cast<std::byte*>(expanded_.data()) + index * layout_.ExpandedBytesPerLayer();
  KvLayer layer = {.latents =
                       TensorView(memory, layout_.dtype,
                                  {layout_.num_blocks, layout_.block_tokens, layout_.width})};
  if (layout_.tile_bytes > 0) {
    layer.tiles = expanded;
    layer.tile_bytes = layout_.tile_bytes;
    return layer;
  }
  const kernels::DType dtype = layout_.expanded_dtype;
  const int64_t tokens = layout_.num_tiles * KvLayout::kTileTokens;
  layer.expanded = TensorView(expanded, dtype, {tokens, layout_.expanded_width});
  layer.expanded_k_pe =
      TensorView(expanded + tokens * layout_.expanded_width * kernels::SizeOf(dtype), dtype,
                 {tokens, layout_.rope_width});
  return layer;
}

}  // namespace switchyard::worker
