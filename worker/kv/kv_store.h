// The paged cache of one rank: for every layer, blocks of latents. Which block belongs to whom is
// the coordinator's business (coordinator/core/kv); this is only the memory.
#ifndef SWITCHYARD_WORKER_KV_KV_STORE_H_
#define SWITCHYARD_WORKER_KV_KV_STORE_H_

#include <cstdint>

#include "kernels/device.h"
#include "kernels/tensor_view.h"
#include "proto/cluster.pb.h"

namespace switchyard::worker {

struct KvLayout {
  int64_t num_layers = 0;
  int64_t num_blocks = 0;
  int64_t block_tokens = 0;
  int64_t width = 0;  // values of one token in one layer: latent and rotated key
  kernels::DType dtype = kernels::DType::kBf16;

  int64_t BytesPerLayer() const {
    return num_blocks * block_tokens * width * kernels::SizeOf(dtype);
  }
};

// BF16 compute caches BF16, and so does a backend whose activations are BF16 (`act`); else F32.
// `num_layers` is the model's, or more where a multi-token-prediction block has a cache of its own.
KvLayout MakeKvLayout(const v1::ShardPlan& plan, int64_t num_layers, kernels::DType act);

class KvStore {
 public:
  KvStore(kernels::Device& device, const KvLayout& layout);

  const KvLayout& layout() const { return layout_; }
  int64_t num_bytes() const { return memory_.num_bytes(); }
  // [num_blocks, block_tokens, width]
  kernels::TensorView layer(int64_t index) const;

 private:
  const KvLayout layout_;
  kernels::Buffer memory_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_KV_KV_STORE_H_
