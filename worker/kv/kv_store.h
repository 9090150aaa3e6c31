// The paged cache of one rank: for every layer, blocks of what attention reads again. With latent
// attention that are latents, and beside them tiles of keys and values that were expanded from the
// latents of prompts in progress, so that the next chunk of such a prompt need not expand them
// again: as rows, or as the backend's products read them (Ops::KeyTileBytes); with grouped-query
// attention the keys and values of this rank's heads. Which block belongs to whom is the
// coordinator's business (coordinator/core/kv), which tile worker/exec's; this is only the memory.
#ifndef SWITCHYARD_WORKER_KV_KV_STORE_H_
#define SWITCHYARD_WORKER_KV_KV_STORE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/args/attention.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "kernels/tensor_view.h"
#include "proto/cluster.pb.h"

namespace switchyard::worker {

struct KvLayout {
  static constexpr int64_t kTileTokens = kernels::kPrefillTileTokens;

  int64_t num_layers = 0;
  int64_t num_blocks = 0;
  // Of layers with a window, where they are a kind of their own (KvPlan.num_window_blocks).
  int64_t num_window_blocks = 0;
  std::vector<bool> is_windowed;  // by layer; empty: none is
  int64_t block_tokens = 0;
  int64_t width =
      0;  // values of one token in one layer: latent and rotated key, or keys and values
  kernels::DType dtype = kernels::DType::kBf16;
  int64_t kv_heads = 0;  // of this rank, with keys and values; 0: latents

  int64_t num_tiles = 0;       // of kTileTokens tokens
  int64_t expanded_width = 0;  // values of one token in one layer: keys and values of all heads
  int64_t rope_width = 0;      // and the rotated key that they share
  kernels::DType expanded_dtype = kernels::DType::kF32;
  int64_t tile_bytes = 0;  // of one tile in one layer where it is laid out; 0: rows

  int64_t BlocksOf(int64_t layer) const {
    const bool windowed = !is_windowed.empty() && is_windowed[static_cast<size_t>(layer)];
    return windowed ? num_window_blocks : num_blocks;
  }
  // Of all layers before this one.
  int64_t BytesBefore(int64_t layer) const;
  int64_t ExpandedBytesPerLayer() const;
};

// BF16 compute caches BF16, and so does a backend whose activations are BF16 (`act`); else F32.
// What is expanded is of type `act`, or laid out by the backend. `num_layers` is the model's, or
// more where a multi-token-prediction block has a cache of its own.
KvLayout MakeKvLayout(const v1::ShardPlan& plan, int64_t num_layers, const kernels::Ops& ops);

// One layer of it.
struct KvLayer {
  // One of the two, as the layout has it.
  kernels::TensorView latents;      // [num_blocks, block_tokens, width]
  kernels::TensorView keys_values;  // [BlocksOf(layer), kv_heads, 2 block_tokens, head_dim]
  // With latents, one of the two.
  kernels::TensorView expanded;       // [num_tiles * kTileTokens, expanded_width]
  kernels::TensorView expanded_k_pe;  // [num_tiles * kTileTokens, rope_width]
  std::byte* tiles = nullptr;         // num_tiles of tile_bytes, laid out
  int64_t tile_bytes = 0;             // 0: rows
};

class KvStore {
 public:
  KvStore(kernels::Device& device, const KvLayout& layout);

  const KvLayout& layout() const { return layout_; }
  int64_t num_bytes() const { return memory_.num_bytes() + expanded_.num_bytes(); }
  KvLayer layer(int64_t index) const;

 private:
  const KvLayout layout_;
  kernels::Buffer memory_;
  kernels::Buffer expanded_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_KV_KV_STORE_H_
