// How a decode op's rows go to the device: each row's keys in splits, one block of threads for
// each, and rows in waves, because neither unfinished softmaxes nor block tables of all of them
// need fit at once.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_WAVES_H_
#define SWITCHYARD_KERNELS_CUDA_DECODE_WAVES_H_

#include <vector_types.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <span>

#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

// Work of a block.
struct DecodeSplit {
  int32_t row;
  int32_t begin, end;  // keys, by position; none: its outputs are zeros, or nothing is done
  int32_t table;       // where the block of position 0 stands, or would stand, in the staged tables
  int32_t partial;     // where its softmax goes; below 0: it is the only split, and writes `out`
};

// A row whose softmax has come in several pieces, one after the other.
struct DecodeMerge {
  int32_t row;
  int32_t first_partial;
  int32_t num_partials;
};

// Arguments of the op that concern its keys; a row whose table is null has none. Recorded ops read
// the arrays anew at each replay.
struct DecodeRows {
  std::span<const int32_t> positions;
  std::span<const int32_t* const> tables;  // blocks of each row's sequence
  int64_t block_tokens = 0;
  int64_t num_blocks = 0;           // of the cache
  int64_t window = kWholeSequence;  // keys that a row sees at most
};

// What the device finds of a wave.
struct StagedWave {
  const DecodeSplit* splits;
  const DecodeMerge* merges;
  const int32_t* tables;
  // Unfinished softmaxes, each of all heads over one split.
  float2* partial_stats;  // [partials, heads]: maximum, sum of the weights
  float* partial_sums;    // [partials, heads, width]: values weighted, not yet divided
};

// An unfinished softmax in memory.
struct PartialShape {
  int64_t heads;
  int64_t width;

  int64_t num_bytes() const {
    return heads * (int64_t{sizeof(float2)} + width * int64_t{sizeof(float)});
  }
};

// A fixed amount of memory for unfinished softmaxes, and what is staged at once.
WaveBounds DecodeWaveBounds(const PartialShape& partial);

// Stages wave after wave and calls `launch` for each; a row that is beyond the bounds goes by
// itself. REQUIRES: some rows, of which none has more to stage than HostStaging takes.
void ForDecodeWaves(CudaContext& cuda, const DecodeRows& rows, const PartialShape& partial,
                    const WaveBounds& bounds,
                    const std::function<void(const DecodeWave&, const StagedWave&)>& launch);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_WAVES_H_
