// A step's way down the blocks of a decoder, in one micro-batch or two. Of two, the rows for the
// experts of one travel while the other computes:
//
//   ops       attention 0, attention 1,        experts 0,        experts 1, [next] attention 0 ...
//   exchange                dispatch 0,       dispatch 1,  combine 0,      combine 1
//
// Calls of the exchange come in this one order on all
// ranks, whatever rows they have.
#ifndef SWITCHYARD_WORKER_MODELS_BLOCK_RUN_H_
#define SWITCHYARD_WORKER_MODELS_BLOCK_RUN_H_

#include <span>

#include "worker/models/decoder_block.h"

namespace switchyard::worker {

// stream.h holds the rows that go in; behind it, stream.h + stream.delta are those that come out.
// Every rank of the world calls it in every step, with no rows if need be.
absl::Status RunBlocks(const LayerContext& context, const v1::ModelSpec& model,
                       std::span<const DecoderBlock> blocks, const ForwardBatch& batch, KvStore& kv,
                       const Stream& stream);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_BLOCK_RUN_H_
