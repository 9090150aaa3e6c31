// Linear layers: weights as they come from a checkpoint, weights as a backend packs them, and the
// ops over them.
//
// Symbols: M rows of activations, N outputs, K inputs. act = the backend's activation type
// (Ops::activation_dtype()). Exactness: row m of a result depends on row m of x alone, and on M not
// at all: every element walks K in one fixed order.
#ifndef SWITCHYARD_KERNELS_ARGS_LINEAR_H_
#define SWITCHYARD_KERNELS_ARGS_LINEAR_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/args/gating.h"
#include "kernels/args/quantised.h"
#include "kernels/device.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// How linears multiply; see ComputeMode in proto/model.proto.
enum class Compute : uint8_t { kBf16, kF32, kW8A8 };

// In which form a backend keeps a weight of floats. kInt8 and kInt4: whole numbers of 8 or 4 bits
// with a scale (F16) per row and group of 32 columns, quantised while packing (see LinearArgs).
enum class WeightForm : uint8_t { kStored, kInt8, kInt4 };

// A slice of a weight matrix in host memory, row-major [N, K], as the checkpoint stores it.
struct LinearSource {
  std::string_view name;  // for messages
  // f32, f16, bf16 or f8e4m3 [N, K]; or codes of a group-quantised weight: u4, f4e2m1 (MXFP4), or
  // i8 where the backend takes it (Ops::packs_integers).
  TensorView weight;
  // Block scales of the *whole* tensor, f32 [ceil(rows / block_rows), ceil(cols / block_cols)];
  // empty unless weight is f8e4m3, i8, u4 or f4e2m1. Of the last three block_rows is 1 and a block
  // is a *group* of columns. Those of whole numbers are finite and kept with 11 bits of
  // significand, as F16 has; those of f4e2m1 are powers of two from 2^-127 to 2^125:
  //   W[n, k] = weight[n, k] * scales[n, k / block_cols]
  TensorView scales;
  // u4 only: the zero points, i8 of the shape of scales, 0 to 16; empty: 8 everywhere.
  //   W[n, k] = (weight[n, k] - zeros[n, k / block_cols]) * scales[n, k / block_cols]
  TensorView zeros;
  int64_t block_rows = 128;
  int64_t block_cols = 128;
  // Where the slice begins in the whole tensor: places it among the scale blocks.
  int64_t row_offset = 0;
  int64_t col_offset = 0;
  // f32 [N], added to the finished sum; may be empty.
  TensorView bias;
  // K is cut into this many equal shards (a power of two); each is summed by itself, then they are
  // added by a balanced binary tree. A rank's slice of a row-parallel weight holds its part of the
  // model's virtual shards, so its sum is a subtree (ARCHITECTURE 1.5).
  int64_t k_shards = 1;
  // The backend's arithmetic. kW8A8 falls back to kF32 where the weight is not FP8.
  Compute compute = Compute::kBf16;
  Gating gating;  // of gate and up projections
  // u4 and i8 keep their codes in kInt4 and kInt8, and are widened in kStored: while they are
  // packed, or in the product, to the same bits. Other than kStored only in kBf16, and where the
  // backend takes whole numbers.
  WeightForm form = WeightForm::kStored;
};

// What a packed weight was packed from, but for the bytes: shapes, types and places; of gate and up
// those that they share. Together with the weight's memory it is the weight again (Ops::Restore).
struct PackedForm {
  LinearSource source;  // of all rows; no data is looked at, of zeros whether there are any
  bool gate_up = false;
  bool bias = false;
};

// A weight in the layout of one backend, made once at load by Ops::Pack*. Immutable; safe to read
// from any thread.
class PackedLinear {
 public:
  virtual ~PackedLinear() = default;
  int64_t n() const { return n_; }
  int64_t k() const { return k_; }
  // All that was packed, in device memory. Who keeps its bytes may restore the weight from them.
  const Buffer& memory() const { return memory_; }
  int64_t num_bytes() const { return memory_.num_bytes(); }
  // A product may be given QuantisedRows: it quantises (kW8A8, FP8 weight), and no border of the
  // slice or of a shard cuts a group of 128 columns.
  bool takes_quantised() const { return takes_quantised_; }

 protected:
  PackedLinear(int64_t n, int64_t k, Buffer memory, bool takes_quantised)
      : n_(n), k_(k), memory_(std::move(memory)), takes_quantised_(takes_quantised) {}

 private:
  int64_t n_, k_;
  const Buffer memory_;
  bool takes_quantised_;
};

// y = x W^T (+ bias), in the arithmetic that W was packed for:
//   kBf16  x rounded to BF16, products exact, FP32 sums; FP8 weights widen exactly, and each
//   block's FP32 partial sum is
//          multiplied by its scale and added, in order of K.
//   kBf16, W in whole numbers (LinearSource::form): the groups of columns of W are cut
//          at the borders of its shards into equal groups, and these into *parts*: the widest
//          multiple of 4 columns, at most 16, that divides them. x is quantised to whole numbers of
//          8 bits per row and part, scale = max|x| / 127. Per part the exact sum of products times
//          the scale of x is added, per group this times the scale of W, in order of K. Where
//          groups are no multiple of 4 columns W is widened.
//   kF32   FP32 products and sums.
//   kW8A8  x quantised to e4m3 per row and 128 columns (columns counted from the source's
//   col_offset); per block the FP32 partial sum
//          times activation scale times weight scale is added, in order of K (MODEL_SPECS 1.7).
struct LinearArgs {
  TensorView x;             // act [M, K]; empty when quantised is given
  QuantisedRows quantised;  // M rows, K columns; only where weight->takes_quantised()
  const PackedLinear* weight = nullptr;
  TensorView y;  // act or f32 [M, N]
  // kW8A8 only: f32 [M, groups], the largest |x| of each row's quantisation group, where a group
  // may reach beyond this slice of K (see GroupAmaxArgs). Empty: taken from x.
  TensorView x_amax;
  bool ue8m0_scales = false;  // kW8A8: scales that are made of x are powers of two
};

// The largest |x| per row and group of 128 columns, groups counted from column -(col_offset mod
// 128): what ranks must agree on before they quantise slices of one row whose borders cut a group.
struct GroupAmaxArgs {
  TensorView x;            // act [M, K]
  int64_t col_offset = 0;  // column of x[:, 0] in the whole row
  TensorView amax;         // f32 [M, ceil((col_offset % 128 + K) / 128)]
};

// For every b: y[:, b, :] = x[:, b, :] weights[b]^T. All weights have one shape.
struct BatchedLinearArgs {
  TensorView x;  // act [M, B, K]; row stride free
  int64_t x_batch_stride =
      0;  // elements from x[m, b] to x[m, b + 1]; 0: K. Lets x be a part of wider heads.
  std::span<const PackedLinear* const> weights;  // B of them
  TensorView y;                                  // act [M, B, N]
};

// y = f(x Wg^T + bg, x Wu^T + bu), gate and up packed together by Ops::PackGateUp with their
// biases, if they have any; f is their Gating. n() is the width of y.
struct GateUpArgs {
  TensorView x;             // act [M, K]; empty when quantised is given
  QuantisedRows quantised;  // M rows, K columns; only where weight->takes_quantised()
  const PackedLinear* weight = nullptr;
  TensorView y;  // act [M, N]
  bool ue8m0_scales = false;
};

// One gated block: down(f(gate(x), up(x))).
struct MlpWeights {
  std::unique_ptr<PackedLinear> gate_up;
  std::unique_ptr<PackedLinear> down;
};

// Rows of x are grouped by block: rows [offsets[i], offsets[i + 1]) run through mlps[i]. Widths may
// differ between blocks.
struct GroupedMlpArgs {
  TensorView x;                      // act [M, H]
  std::span<const int32_t> offsets;  // host, mlps.size() + 1, ascending, ends with M
  std::span<const MlpWeights* const> mlps;
  TensorView y;  // act [M, H]
  bool ue8m0_scales = false;
};

// The blocks of a RoutedMlp in the form of one backend: made once, by Ops::MakeMlpTable, when the
// weights are there. Refers to the weights, which outlive it. Serves one RoutedMlp at a time.
class MlpTable {
 public:
  explicit MlpTable(std::span<const MlpWeights* const> mlps) : mlps_(mlps.begin(), mlps.end()) {}
  virtual ~MlpTable() = default;
  std::span<const MlpWeights* const> mlps() const { return mlps_; }

 private:
  const std::vector<const MlpWeights*> mlps_;
};

// GroupedMlp where only the device knows which rows meet which block: block i has rows
// [spans[i, 0], spans[i, 0] + spans[i, 1]) of x and y. Spans do not overlap and may be empty; they
// may be packed one behind the other, or stand each in a place of its own (a padded layout). Rows
// of no span are not read, and their rows of y keep what they hold. A span that leaves x ends the
// program. A row's bits are those of GroupedMlp.
struct RoutedMlpArgs {
  TensorView x;      // act [C, H]
  TensorView spans;  // i32 [blocks, 2], without gaps
  MlpTable* table = nullptr;
  TensorView y;  // act [C, H]
  // No more rows than this lie in all spans together; more end the program.
  int64_t max_rows = 0;
  // About so many will: it decides how the work is cut, and no bit of a result. At most max_rows.
  int64_t likely_rows = 0;
  bool ue8m0_scales = false;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_LINEAR_H_
