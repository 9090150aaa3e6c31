// The up-projection of MLA's latent (kv_b_proj) out of the halves that newer GGUF files have of it
// for each head: keys turned, as the absorbed form multiplies them, and values.
//
// Symbols: H heads, N and V widths of a head's keys (without the rotated part) and values, L width
// of the latent.
//
//   keys    attn_k_b  [H, L, N]: row h (N + V) + i of kv_b_proj is keys[h, :, i]
//   values  attn_v_b  [H, V, L]: row h (N + V) + N + i is values[h, i, :]
#ifndef SWITCHYARD_WORKER_WEIGHTS_GGUF_HALVES_H_
#define SWITCHYARD_WORKER_WEIGHTS_GGUF_HALVES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "worker/weights/gguf_matrix.h"

namespace switchyard::worker {

// The names of the halves of "X.kv_b_proj.weight"; empty for other tensors.
struct HalfNames {
  std::string keys, values;
};
HalfNames HalvesOf(const std::string& tensor);

class GgufHalves {
 public:
  // INVALID_ARGUMENT, naming the tensor, where shapes do not make a matrix of slice.rows and
  // slice.cols. REQUIRES: tensors with a GgufLayout, which outlive this.
  static absl::StatusOr<GgufHalves> Create(const TensorInfo& keys, const TensorInfo& values,
                                           const MatrixSlice& slice);

  // Both of all heads that the slice has a row of: what to read, and where it is read to.
  GgufMatrix& keys() { return keys_; }
  GgufMatrix& values() { return values_; }

  // The slice, f32 [rows, cols]; see GgufMatrix::Decode.
  absl::StatusOr<std::vector<float>> Decode(const RangeData& data) const;

 private:
  struct Shape {
    int64_t latent = 0, key_width = 0, value_width = 0;
    int64_t row_begin = 0;  // of the slice, in its first head
    int64_t num_rows = 0, col_begin = 0, num_cols = 0;
  };
  GgufHalves(const Shape& shape, GgufMatrix keys, GgufMatrix values)
      : shape_(shape), keys_(std::move(keys)), values_(std::move(values)) {}

  Shape shape_;
  GgufMatrix keys_, values_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_GGUF_HALVES_H_
