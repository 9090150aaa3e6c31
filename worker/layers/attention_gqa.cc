#include "worker/layers/attention_gqa.h"

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "worker/layers/norm.h"

namespace switchyard::worker {

using kernels::TensorView;

void GqaAttention::Load(WeightLoader& loader, const LayerContext& context,
                        const std::string& prefix, const v1::ModelSpec& model, int layer,
                        const RopeTables* ropes) {
  const v1::GqaSpec& gqa = model.gqa();
  const int64_t ranks = context.parallel.tensor_parallel();
  const int64_t rank = context.parallel.tensor_rank();
  heads_ = model.num_heads() / ranks;
  kv_heads_ = CeilDiv(gqa.num_kv_heads(), ranks);
  dim_ = gqa.head_dim();
  window_ = gqa.windows_size() > 0 ? gqa.windows(layer) : 0;
  rotary_dim_ = gqa.rotary_dim() > 0 ? gqa.rotary_dim() : dim_;
  scale_ = gqa.score_scale() > 0 ? static_cast<float>(gqa.score_scale())
                                 : 1.0f / std::sqrt(static_cast<float>(dim_));
  eps_ = static_cast<float>(model.rms_norm_eps());
  rope_ = &ropes->Of(window_ > 0);
  if (gqa.qk_norm()) {
    LoadNorm(loader, model, prefix + "q_norm.weight", dim_, &q_norm_);
    LoadNorm(loader, model, prefix + "k_norm.weight", dim_, &k_norm_);
  }
  head_begin_ = rank * heads_;
  if (gqa.sinks()) loader.Vector(prefix + "sinks", model.num_heads(), &sinks_);

  const auto load = [&](const std::string& name, int64_t all_heads, int64_t first, int64_t count,
                        std::unique_ptr<kernels::PackedLinear>* out) {
    loader.Linear({.tensor = prefix + name + ".weight",
                   .rows = all_heads * dim_,
                   .cols = model.hidden_size(),
                   .row_begin = first * dim_,
                   .row_end = (first + count) * dim_,
                   .bias = gqa.qkv_bias() ? prefix + name + ".bias" : ""},
                  out);
  };
  const int64_t first_kv_head = rank * gqa.num_kv_heads() / ranks;
  load("q_proj", model.num_heads(), head_begin_, heads_, &q_);
  load("k_proj", gqa.num_kv_heads(), first_kv_head, kv_heads_, &k_);
  load("v_proj", gqa.num_kv_heads(), first_kv_head, kv_heads_, &v_);
  o_.Load(loader, context, prefix + "o_proj.weight", model.hidden_size(), model.num_heads() * dim_,
          gqa.output_bias() ? prefix + "o_proj.bias" : "");
}

InputForms GqaAttention::input_forms() const {
  const bool q = q_->takes_quantised(), k = k_->takes_quantised(), v = v_->takes_quantised();
  return {.rows = !q || !k || !v, .quantised = q || k || v};
}

absl::Status GqaAttention::Forward(const LayerContext& context, const ForwardBatch& batch,
                                   int layer, const NormedRows& x, const KvLayer& cache,
                                   const TensorView& y) const {
  ActivationArena::Scope scope(context.arena);
  const TensorView q = Query(context, batch, x);
  WriteCache(context, batch, layer, x, cache);
  const TensorView out = context.Take({x.num_rows(), heads_ * dim_});
  Attend(context, batch, q, cache.keys_values, out.Reshaped({x.num_rows(), heads_, dim_}));
  return o_.Forward(context, out, y);
}

TensorView GqaAttention::Query(const LayerContext& context, const ForwardBatch& batch,
                               const NormedRows& x) const {
  const TensorView rows = context.Take({x.num_rows(), heads_ * dim_});
  const TensorView q = rows.Reshaped({x.num_rows(), heads_, dim_});
  ApplyLinear(context, *q_, x, rows);
  Norm(context, q_norm_, q);
  TensorView rotated = q;
  rotated.dims[2] = rotary_dim_;
  context.ops.Rope({.x = rotated,
                    .head_stride = dim_,
                    .positions = batch.positions,
                    .table = rope_->view(),
                    .halves = rope_->halves()});
  return q;
}

void GqaAttention::Norm(const LayerContext& context, const DeviceTensor& norm,
                        const TensorView& heads) const {
  if (norm.view.empty()) return;
  const TensorView rows(heads.data, heads.dtype, {heads.rows() * heads.dims[1], dim_});
  context.ops.RmsNorm({.x = rows, .weight = norm.view, .eps = eps_, .y = rows});
}

void GqaAttention::WriteCache(const LayerContext& context, const ForwardBatch& batch, int layer,
                              const NormedRows& x, const KvLayer& cache) const {
  ActivationArena::Scope scope(context.arena);
  const TensorView k_rows = context.Take({x.num_rows(), kv_heads_ * dim_});
  const TensorView v_rows = context.Take({x.num_rows(), kv_heads_ * dim_});
  const TensorView k = k_rows.Reshaped({x.num_rows(), kv_heads_, dim_});
  ApplyLinear(context, *k_, x, k_rows);
  ApplyLinear(context, *v_, x, v_rows);
  Norm(context, k_norm_, k);
  context.ops.GqaWrite(
      {.k = k,
       .v = v_rows.Reshaped({x.num_rows(), kv_heads_, dim_}),
       .slots = IsApart(batch) ? batch.window_slots : batch.slots,
       .cache = cache.keys_values,
       .rotation = {
           .positions = batch.positions, .table = rope_->view(), .halves = rope_->halves()}});
  context.Record("k", layer, k_rows);
  context.Record("v", layer, v_rows);
}

void GqaAttention::Attend(const LayerContext& context, const ForwardBatch& batch,
                          const TensorView& q, const TensorView& cache,
                          const TensorView& out) const {
  TensorView sinks;  // of this rank's heads
  if (!sinks_.view.empty()) {
    sinks = TensorView(static_cast<const float*>(sinks_.view.data) + head_begin_,
                       kernels::DType::kF32, {heads_});
  }
  for (const PrefillSpan& span : batch.prefill) {
    context.ops.GqaPrefill(
        {.q = q.Rows(span.row_begin, span.num_rows),
         .positions = std::span(batch.positions).subspan(span.row_begin, span.num_rows),
         .cache = cache,
         .table = IsApart(batch) ? span.window_table : span.table,
         .scale = scale_,
         .window = window_,
         .sinks = sinks,
         .out = out.Rows(span.row_begin, span.num_rows)});
  }
  const int64_t first = batch.num_prefill_rows, count = q.rows() - first;
  if (count == 0) return;
  context.ops.GqaDecode(
      {.q = q.Rows(first, count),
       .positions = std::span(batch.positions).subspan(first, count),
       .cache = cache,
       .tables = IsApart(batch) ? batch.window_decode_tables : batch.decode_tables,
       .scale = scale_,
       .window = window_,
       .sinks = sinks,
       .out = out.Rows(first, count)});
}

AttentionSize GqaAttention::SizeOf(const v1::ModelSpec& model, int64_t tokens,
                                   int64_t tensor_ranks) {
  const int64_t dim = model.gqa().head_dim();
  const int64_t heads = model.num_heads() / tensor_ranks;
  const int64_t kv_heads = CeilDiv(model.gqa().num_kv_heads(), tensor_ranks);
  // Queries, and beside them first keys and values, then outputs.
  return {.floats = tokens * dim * (heads + std::max(heads, 2 * kv_heads)),
          .output_columns = model.num_heads() * dim};
}

}  // namespace switchyard::worker
