#include "worker/kv/kv_store.h"

#include "base/check.h"

namespace switchyard::worker {

KvLayout MakeKvLayout(const v1::ShardPlan& plan, int64_t num_layers, kernels::DType act) {
  const v1::MlaSpec& mla = plan.model().mla();
  return {.num_layers = num_layers,
          .num_blocks = plan.kv().num_blocks(),
          .block_tokens = plan.kv().block_tokens(),
          .width = mla.kv_lora_rank() + mla.qk_rope_head_dim(),
          .dtype = plan.compute() == v1::COMPUTE_MODE_BF16 ? kernels::DType::kBf16 : act};
}

KvStore::KvStore(kernels::Device& device, const KvLayout& layout)
    : layout_(layout), memory_(device.Allocate(layout.num_layers * layout.BytesPerLayer())) {}

kernels::TensorView KvStore::layer(int64_t index) const {
  SY_CHECK(index >= 0 && index < layout_.num_layers) << "layer " << index;
  return kernels::TensorView(
      static_cast<std::byte*>(memory_.data()) + index * layout_.BytesPerLayer(), layout_.dtype,
      {layout_.num_blocks, layout_.block_tokens, layout_.width});
}

}  // namespace switchyard::worker
