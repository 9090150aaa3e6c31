// The blocks in which GGUF files keep quantised rows, and what they stand for: the values that
// llama.cpp's reference defines (ggml-quants.c, dequantize_row_*), each operation rounded to FP32
// in its order. Scales are F16 (d, m), whole numbers of some bits (s), or powers of two.
//
//   type   elements  bytes  value
//   Q4_0   32        18     d (code - 8)
//   Q4_1   32        20     d code + m
//   Q8_0   32        34     d code
//   Q4_K   256       144    (d s) code - (m s'), s and s' of 6 bits for each 32
//   Q5_K   256       176    the same, codes of 5 bits
//   Q6_K   256       210    (d s) (code - 32), s of 8 bits for each 16
//   MXFP4  32        17     code of e2m1, times 2^(e - 127)
#ifndef SWITCHYARD_WORKER_WEIGHTS_GGUF_BLOCKS_H_
#define SWITCHYARD_WORKER_WEIGHTS_GGUF_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/gguf.h"
#include "kernels/dtype.h"
#include "worker/weights/safetensors.h"

namespace switchyard::worker {

// F32, F16 and BF16: elements one by one.
std::optional<FileDtype> PlainDtype(const GgufType& type);
// One of the table above.
bool IsReadGgufType(const GgufType& type);

// The elements of `count` blocks in a row, in order. False where a scale is no finite number.
// REQUIRES: IsReadGgufType(type).
bool WidenBlocks(const GgufType& type, const std::byte* blocks, int64_t count, float* out);

// Which whole numbers kernels can take for the type with a scale for a block, if any: codes as kI8
// or (Q4_0) kU4 with 8 for zero.
bool HasWholeForm(const GgufType& type, kernels::DType dtype);
// Those of `count` blocks, and the scale of each. False and REQUIRES: as above, HasWholeForm.
bool WholeBlocks(const GgufType& type, kernels::DType dtype, const std::byte* blocks, int64_t count,
                 std::byte* codes, float* scales);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_GGUF_BLOCKS_H_
