// Prefill attention: lays out keys and values, cuts the work over them into (head, query rows), and
// sets up the online softmax's state.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/cpu_scratch.h"
#include "kernels/cpu/f32_rows.h"
#include "kernels/cpu/parallel_rows.h"

namespace switchyard::kernels::cpu {
namespace {

// How many query rows a task takes: all of them where heads alone keep the threads busy, because
// every task packs its head's keys and values anew; else at least as many as make that packing
// small.
int64_t RowsPerTask(int64_t num_rows, int64_t num_heads, int num_threads) {
  constexpr int64_t kTasksPerThread = 4;
  constexpr int64_t kLeastRows = 48;
  const int64_t pieces = (num_threads * kTasksPerThread + num_heads - 1) / num_heads;
  return std::max(kLeastRows, RoundUp((num_rows + pieces - 1) / pieces, kMaxTileRows));
}

int64_t DepthOf(bool bf16) { return bf16 ? kTileDepthBf16 : 1; }

// Both null where keys are laid out.
HeadRows RowsOfHead(const TensorView& kv, const TensorView& k_pe, const HeadDims& dims,
                    int64_t head) {
  if (kv.empty()) return {};
  return {.kv = kv.row<const float>(0) + head * (dims.nope + dims.value),
          .kv_stride = kv.row_stride,
          .k_pe = k_pe.row<const float>(0),
          .k_pe_stride = k_pe.row_stride};
}

struct PrefillCut {
  explicit PrefillCut(const CpuContext& cpu, const PrefillAttentionArgs& prefill)
      : args(prefill),
        dims{.nope = args.q.dims[2] - args.k_pe.dims[1],
             .rope = args.k_pe.dims[1],
             .value = args.out.dims[2]},
        num_keys(args.tiles.empty() ? args.kv.rows() : args.num_keys),
        num_rows(args.q.rows()),
        num_heads(args.q.dims[1]),
        rows_per_task(RowsPerTask(num_rows, num_heads, cpu.pool.num_threads())),
        num_tasks((num_rows + rows_per_task - 1) / rows_per_task * num_heads) {}

  // Tasks of one head lie side by side.
  PrefillTask Task(int64_t index, float* work) const {
    const int64_t pieces = num_tasks / num_heads;
    const int64_t head = index / pieces;
    const int64_t row = index % pieces * rows_per_task;
    const int64_t state_width = dims.value + 2;
    return {.dims = dims,
            .q = args.q.row<const float>(row) + head * (dims.nope + dims.rope),
            .q_stride = args.q.row_stride,
            .num_rows = std::min(rows_per_task, num_rows - row),
            .first_position = args.positions[row],
            .rows = RowsOfHead(args.kv, args.k_pe, dims, head),
            .tiles = args.tiles.empty() ? nullptr : args.tiles.data(),
            .head_offset = head * HeadTileFloats(dims, DepthOf(args.bf16)),
            .num_keys = num_keys,
            .tile_begin = args.tile_begin,
            .scale = args.scale,
            .state = args.state.row<float>(row) + head * state_width,
            .state_stride = args.state.row_stride,
            .out = args.last ? args.out.row<float>(row) + head * dims.value : nullptr,
            .out_stride = args.out.row_stride,
            .work = work};
  }

  int64_t MultipliesPerTask() const {
    constexpr int64_t kPackingRows =
        8;  // packing the keys and values costs about as much as this many rows
    return (std::min(rows_per_task, num_rows) + kPackingRows) * num_keys *
           (dims.nope + dims.rope + dims.value);
  }

  const PrefillAttentionArgs& args;
  const HeadDims dims;
  const int64_t num_keys;
  const int64_t num_rows;
  const int64_t num_heads;
  const int64_t rows_per_task;
  const int64_t num_tasks;
};

// No key seen yet.
void ClearState(const PrefillTask& task) {
  for (int64_t row = 0; row < task.num_rows; ++row) {
    float* state = task.state + row * task.state_stride;
    std::memset(state, 0, static_cast<size_t>(task.dims.value + 2) * sizeof(float));
    state[task.dims.value] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace

int64_t KeyTileBytes(const KeyTileShape& shape) {
  const HeadDims dims = {.nope = shape.key_dim, .value = shape.value_dim};
  return shape.heads * HeadTileFloats(dims, DepthOf(shape.bf16)) * SizeOf(DType::kF32);
}

void LayOutKeys(const CpuContext& cpu, const LayOutKeysArgs& args) {
  CheckF32("LayOutKeys", {&args.kv, &args.k_pe});
  const AttentionKernels& kernels = AttentionKernelsOf(cpu.isa);
  const auto kernel = args.bf16 ? kernels.lay_out_bf16 : kernels.lay_out_f32;
  const int64_t rope = args.k_pe.dims[1];
  const HeadDims dims = {
      .nope = args.kv.dims[2] - args.value_dim, .rope = rope, .value = args.value_dim};
  const int64_t work_size = RoundUp(PrefillWorkSize(dims), kMaxLanes);
  float* work = cpu.scratch->attention.Reserve(cpu.pool.num_threads() * work_size);
  constexpr int64_t kMultipliesPerFloat = 8;  // about what moving one costs
  const int64_t multiplies = args.kv.rows() * (dims.nope + rope + dims.value) * kMultipliesPerFloat;
  ForTasks(cpu, args.kv.dims[1], multiplies, [&](int64_t head, int thread) {
    kernel(
        {.dims = dims,
         .rows = RowsOfHead(args.kv, args.k_pe, dims, head),
         .begin = args.begin,
         .count = args.kv.rows(),
         .tile = static_cast<float*>(args.tile) + head * HeadTileFloats(dims, DepthOf(args.bf16)),
         .work = work + thread * work_size});
  });
}

void PrefillAttention(const CpuContext& cpu, const PrefillAttentionArgs& args) {
  CheckF32("PrefillAttention", {&args.q});
  const AttentionKernels& kernels = AttentionKernelsOf(cpu.isa);
  const auto kernel = args.bf16 ? kernels.prefill_bf16 : kernels.prefill_f32;
  const PrefillCut cut(cpu, args);
  const int64_t work_size = RoundUp(PrefillWorkSize(cut.dims), kMaxLanes);
  float* work = cpu.scratch->attention.Reserve(cpu.pool.num_threads() * work_size);
  ForTasks(cpu, cut.num_tasks, cut.MultipliesPerTask(), [&](int64_t index, int thread) {
    const PrefillTask task = cut.Task(index, work + thread * work_size);
    if (task.tile_begin == 0) ClearState(task);
    kernel(task);
  });
}

}  // namespace switchyard::kernels::cpu
