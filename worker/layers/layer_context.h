// What every layer works with during a step: one object per worker, lent to each call.
#ifndef SWITCHYARD_WORKER_LAYERS_LAYER_CONTEXT_H_
#define SWITCHYARD_WORKER_LAYERS_LAYER_CONTEXT_H_

#include <span>
#include <string_view>

#include "kernels/ops.h"
#include "worker/layers/activation_arena.h"
#include "worker/layers/trace.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/exchange_set.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

struct LayerContext {
  kernels::Ops& ops;
  kernels::Compute compute;
  bool ue8m0_scales;  // W8A8: activation scales are powers of two
  const ParallelContext& parallel;
  Collectives& tensor_group;  // the ranks of this attention group
  ExchangeSet* exchanges;     // null for dense models
  ActivationArena& arena;
  Trace* trace = nullptr;  // of steps that are not cut into micro-batches
  // The cache slot of each row, where some may be kNoSlot: padding, which has no experts. Empty:
  // all rows are tokens. Only of steps whose exchange is fixed, or without MoE layers.
  std::span<const int64_t> slots;

  kernels::TensorView Take(std::initializer_list<int64_t> shape) const {
    return arena.Take(ops.activation_dtype(), shape);
  }
  kernels::QuantisedRows TakeQuantised(int64_t rows, int64_t columns) const {
    const kernels::TensorView memory =
        arena.Take(kernels::DType::kF8E4M3, {ops.QuantisedBytes(rows, columns)});
    return {.data = memory.data, .rows = rows, .columns = columns};
  }
  // For a reduction of n floats over the tensor group.
  std::span<float> ReduceScratch(int64_t n) const {
    const int64_t size = tensor_group.ReduceScratchSize(n);
    return {static_cast<float*>(arena.Take(kernels::DType::kF32, {size}).data), size_t(size)};
  }
  void Record(std::string_view name, int layer, const kernels::TensorView& tensor) const {
    if (trace != nullptr) trace->Record(name, layer, tensor);
  }
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_LAYER_CONTEXT_H_
