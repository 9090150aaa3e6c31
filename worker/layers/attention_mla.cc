#include "worker/layers/attention_mla.h"

#include <algorithm>

namespace switchyard::worker {

using kernels::TensorView;

namespace {

// Columns [begin, begin + width) of every head of q [T, heads * head_dim], as [T, heads, width]
// with the strides of q.
TensorView HeadPart(const TensorView& q, int64_t heads, int64_t begin, int64_t width) {
  TensorView part(q.Cols(begin, width).data, q.dtype, {q.rows(), heads, width});
  part.row_stride = q.row_stride;
  return part;
}

}  // namespace

void MlaAttention::Load(WeightLoader& loader, const LayerContext& context,
                        const std::string& prefix, const v1::ModelSpec& model, int /*layer*/,
                        const RopeTables* ropes) {
  const v1::MlaSpec& mla = model.mla();
  heads_ = model.num_heads() / context.parallel.tensor_parallel();
  head_begin_ = heads_ * context.parallel.tensor_rank();
  latent_ = mla.kv_lora_rank();
  rope_dim_ = mla.qk_rope_head_dim();
  nope_dim_ = mla.qk_nope_head_dim();
  value_dim_ = mla.v_head_dim();
  scale_ = static_cast<float>(AttentionScale(model.rope(), nope_dim_ + rope_dim_));
  rope_ = &ropes->all;

  LoadQuery(loader, prefix, model);
  LoadKeyValue(loader, context, prefix, model);
  o_.Load(loader, context, prefix + "o_proj.weight", model.hidden_size(),
          model.num_heads() * value_dim_, mla.attention_bias() ? prefix + "o_proj.bias" : "");
}

void MlaAttention::LoadQuery(WeightLoader& loader, const std::string& prefix,
                             const v1::ModelSpec& model) {
  const int64_t q_latent = model.mla().q_lora_rank();
  const int64_t head_dim = nope_dim_ + rope_dim_;
  MatrixSlice by_heads{.tensor = prefix + (q_latent > 0 ? "q_b_proj.weight" : "q_proj.weight"),
                       .rows = model.num_heads() * head_dim,
                       .cols = q_latent > 0 ? q_latent : model.hidden_size(),
                       .row_begin = head_begin_ * head_dim,
                       .row_end = (head_begin_ + heads_) * head_dim};
  loader.Linear(by_heads, &q_b_);
  if (q_latent == 0) return;
  loader.Linear({.tensor = prefix + "q_a_proj.weight",
                 .rows = q_latent,
                 .cols = model.hidden_size(),
                 .bias = model.mla().attention_bias() ? prefix + "q_a_proj.bias" : ""},
                &q_a_);
  loader.Vector(prefix + "q_a_layernorm.weight", q_latent, &q_a_norm_);
}

void MlaAttention::LoadKeyValue(WeightLoader& loader, const LayerContext& context,
                                const std::string& prefix, const v1::ModelSpec& model) {
  // What is cached is read again by every head of every later token: an error made here is made
  // once and kept. In BF16 that tips experts which stand close; in FP32 this projection costs about
  // a percent of a layer.
  loader.Linear({.tensor = prefix + "kv_a_proj_with_mqa.weight",
                 .rows = latent_ + rope_dim_,
                 .cols = model.hidden_size(),
                 .bias = model.mla().attention_bias() ? prefix + "kv_a_proj_with_mqa.bias" : "",
                 .precise = true},
                &kv_a_);
  loader.Vector(prefix + "kv_a_layernorm.weight", latent_, &kv_a_norm_);

  const int64_t head_rows = nope_dim_ + value_dim_;
  const MatrixSlice kv_b{.tensor = prefix + "kv_b_proj.weight",
                         .rows = model.num_heads() * head_rows,
                         .cols = latent_,
                         .row_begin = head_begin_ * head_rows,
                         .row_end = (head_begin_ + heads_) * head_rows};
  loader.Derive(kv_b, AbsorbedWeights(context), &kv_b_);
}

// Of each head: [latent, nope], which takes queries into the latent space, and [value, latent],
// which takes latents out of it.
std::vector<DerivedLinear> MlaAttention::AbsorbedWeights(const LayerContext& context) {
  const int64_t head_rows = nope_dim_ + value_dim_;
  std::vector<DerivedLinear> derived;
  const auto add = [&](HeadWeights& weights, int64_t rows, int64_t cols, auto make) {
    const size_t head = weights.packed.size();
    weights.packed.emplace_back();
    weights.views.push_back(nullptr);
    derived.push_back({.name = "kv_b_proj, absorbed",
                       .rows = rows,
                       .cols = cols,
                       .compute = context.compute,
                       .make = std::move(make),
                       .take = [&weights, head](std::unique_ptr<kernels::PackedLinear> packed) {
                         weights.views[head] = packed.get();
                         weights.packed[head] = std::move(packed);
                       }});
  };
  for (int64_t head = 0; head < heads_; ++head) {
    const int64_t keys = head * head_rows * latent_;  // where they begin among the values
    add(query_to_latent_, latent_, nope_dim_,
        [keys, latent = latent_, nope = nope_dim_](const float* values, float* weight) {
          for (int64_t p = 0; p < nope; ++p) {
            for (int64_t r = 0; r < latent; ++r) {
              weight[r * nope + p] = values[keys + p * latent + r];
            }
          }
        });
    add(latent_to_value_, value_dim_, latent_,
        [begin = keys + nope_dim_ * latent_, size = value_dim_ * latent_](
            const float* values, float* weight) { std::copy_n(values + begin, size, weight); });
  }
  return derived;
}

InputForms MlaAttention::input_forms() const {
  const bool query = (q_a_ != nullptr ? q_a_ : q_b_)->takes_quantised();
  const bool latents = kv_a_->takes_quantised();
  return {.rows = !query || !latents, .quantised = query || latents};
}

absl::Status MlaAttention::Forward(const LayerContext& context, const ForwardBatch& batch,
                                   int layer, const NormedRows& x, const KvLayer& cache,
                                   const TensorView& y) const {
  ActivationArena::Scope scope(context.arena);
  const TensorView q = Query(context, batch, x);
  WriteCache(context, batch, layer, x, cache);
  const TensorView out = context.Take({x.num_rows(), heads_ * value_dim_});
  for (const PrefillSpan& span : batch.prefill) {
    Prefill(context, batch, span, q.Rows(span.row_begin, span.num_rows), cache,
            out.Rows(span.row_begin, span.num_rows));
  }
  const int64_t num_decode_rows = x.num_rows() - batch.num_prefill_rows;
  if (num_decode_rows > 0) {
    Decode(context, batch, q.Rows(batch.num_prefill_rows, num_decode_rows), cache.latents,
           out.Rows(batch.num_prefill_rows, num_decode_rows));
  }
  return o_.Forward(context, out, y);
}

// act [T, heads * (P + D)], the rope part of each head rotated.
TensorView MlaAttention::Query(const LayerContext& context, const ForwardBatch& batch,
                               const NormedRows& x) const {
  const int64_t num_rows = x.num_rows();
  const TensorView q = context.Take({num_rows, heads_ * (nope_dim_ + rope_dim_)});
  if (q_a_ != nullptr) {
    ActivationArena::Scope scope(context.arena);
    const TensorView latent = context.Take({num_rows, q_a_->n()});
    ApplyLinear(context, *q_a_, x, latent);
    NormedRows normed;
    if (q_b_->takes_quantised()) {
      normed.quantised = context.TakeQuantised(num_rows, q_a_->n());
    } else {
      normed.rows = latent;
    }
    context.ops.RmsNorm({.x = latent,
                         .weight = q_a_norm_.view,
                         .eps = kLatentNormEps,
                         .y = normed.rows,
                         .quantised = normed.quantised,
                         .ue8m0_scales = context.ue8m0_scales});
    ApplyLinear(context, *q_b_, normed, q);
  } else {
    ApplyLinear(context, *q_b_, x, q);
  }
  context.ops.Rope({.x = HeadPart(q, heads_, nope_dim_, rope_dim_),
                    .head_stride = nope_dim_ + rope_dim_,
                    .positions = batch.positions,
                    .table = rope_->view()});
  return q;
}

void MlaAttention::WriteCache(const LayerContext& context, const ForwardBatch& batch, int layer,
                              const NormedRows& x, const KvLayer& cache) const {
  ActivationArena::Scope scope(context.arena);
  const int64_t num_rows = x.num_rows();
  const TensorView kv = context.Take({num_rows, latent_ + rope_dim_});
  const TensorView c = context.Take({num_rows, latent_});
  ApplyLinear(context, *kv_a_, x, kv);
  context.ops.RmsNorm(
      {.x = kv.Cols(0, latent_), .weight = kv_a_norm_.view, .eps = kLatentNormEps, .y = c});
  const TensorView k_pe = kv.Cols(latent_, rope_dim_);
  context.ops.LatentWrite({.c = c,
                           .k_pe = k_pe,
                           .slots = batch.slots,
                           .cache = cache.latents,
                           .rotation = {.positions = batch.positions, .table = rope_->view()}});
  context.Record("c", layer, c);
  context.Record("k_pe", layer, k_pe);
}

void MlaAttention::Prefill(const LayerContext& context, const ForwardBatch& batch,
                           const PrefillSpan& span, const TensorView& q, const KvLayer& cache,
                           const TensorView& out) const {
  using kernels::kPrefillTileTokens;
  ActivationArena::Scope scope(context.arena);
  const int64_t num_keys = span.begin_position + span.num_rows;
  const int64_t tile_tokens = std::min(num_keys, kPrefillTileTokens);
  const ExpandedRows scratch{
      .kv = context.Take({tile_tokens, heads_ * (nope_dim_ + value_dim_)}),
      .k_pe = context.Take({tile_tokens, rope_dim_}),
  };
  kernels::PrefillAttentionArgs args = {
      .q = q.Reshaped({span.num_rows, heads_, nope_dim_ + rope_dim_}),
      .positions = std::span(batch.positions).subspan(span.row_begin, span.num_rows),
      .scale = scale_,
      .state = context.arena.Take(kernels::DType::kF32, {span.num_rows, heads_, value_dim_ + 2}),
      .out = out.Reshaped({span.num_rows, heads_, value_dim_}),
      .bf16 = context.compute == kernels::Compute::kBf16};
  int64_t begin = 0;
  if (cache.tile_bytes > 0 && !span.tiles.empty()) {
    std::vector<void*> tiles;
    for (const int32_t tile : span.tiles) tiles.push_back(cache.tiles + tile * cache.tile_bytes);
    LayOutTiles(context, span, cache, scratch, tiles);
    begin = std::min(std::ssize(tiles) * kPrefillTileTokens, num_keys);
    args.tiles = tiles;
    args.num_keys = begin;
    args.last = begin == num_keys;
    context.ops.PrefillAttention(args);
    args.tiles = {};
  }
  for (; begin < num_keys; begin += kPrefillTileTokens) {
    const int64_t count = std::min(kPrefillTileTokens, num_keys - begin);
    const int64_t index = begin / kPrefillTileTokens;
    ExpandedTile tile{{.kv = scratch.kv.Rows(0, count), .k_pe = scratch.k_pe.Rows(0, count)}};
    if (index < std::ssize(span.tiles)) {
      const int64_t row = span.tiles[static_cast<size_t>(index)] * kPrefillTileTokens;
      tile = {.rows = {.kv = cache.expanded.Rows(row, count),
                       .k_pe = cache.expanded_k_pe.Rows(row, count)},
              .num_done = std::clamp<int64_t>(span.num_expanded - begin, 0, count)};
    }
    ExpandTile(context, span, cache, begin, tile);
    args.kv = tile.rows.kv.Reshaped({count, heads_, nope_dim_ + value_dim_});
    args.k_pe = tile.rows.k_pe;
    args.tile_begin = begin;
    args.last = begin + count == num_keys;
    context.ops.PrefillAttention(args);
  }
}

// What is missing of the tiles that are laid out.
void MlaAttention::LayOutTiles(const LayerContext& context, const PrefillSpan& span,
                               const KvLayer& cache, const ExpandedRows& scratch,
                               std::span<void* const> tiles) const {
  using kernels::kPrefillTileTokens;
  const int64_t num_keys =
      std::min(span.begin_position + span.num_rows, std::ssize(tiles) * kPrefillTileTokens);
  for (int64_t begin = span.num_expanded; begin < num_keys;) {
    const int64_t index = begin / kPrefillTileTokens;
    const int64_t count = std::min((index + 1) * kPrefillTileTokens, num_keys) - begin;
    const ExpandedRows rows{.kv = scratch.kv.Rows(0, count), .k_pe = scratch.k_pe.Rows(0, count)};
    ExpandTile(context, span, cache, begin, {.rows = rows});
    context.ops.LayOutKeys({.kv = rows.kv.Reshaped({count, heads_, nope_dim_ + value_dim_}),
                            .k_pe = rows.k_pe,
                            .value_dim = value_dim_,
                            .begin = begin % kPrefillTileTokens,
                            .tile = tiles[static_cast<size_t>(index)],
                            .bf16 = context.compute == kernels::Compute::kBf16});
    begin += count;
  }
}

// What is missing of the tile that begins at position `begin`.
void MlaAttention::ExpandTile(const LayerContext& context, const PrefillSpan& span,
                              const KvLayer& cache, int64_t begin, const ExpandedTile& tile) const {
  const int64_t count = tile.rows.kv.rows() - tile.num_done;
  if (count == 0) return;
  ActivationArena::Scope scope(context.arena);
  const TensorView c = context.Take({count, latent_});
  context.ops.LatentGather({.cache = cache.latents,
                            .table = span.table,
                            .begin = begin + tile.num_done,
                            .count = count,
                            .c = c,
                            .k_pe = tile.rows.k_pe.Rows(tile.num_done, count)});
  ApplyLinear(context, *kv_b_, c, tile.rows.kv.Rows(tile.num_done, count));
}

void MlaAttention::Decode(const LayerContext& context, const ForwardBatch& batch,
                          const TensorView& q, const TensorView& cache,
                          const TensorView& out) const {
  ActivationArena::Scope scope(context.arena);
  const int64_t rows = q.rows();
  const int64_t head_dim = nope_dim_ + rope_dim_;
  const TensorView qa = context.Take({rows, heads_, latent_});
  const TensorView z = context.Take({rows, heads_, latent_});
  context.ops.BatchedLinear({.x = HeadPart(q, heads_, 0, nope_dim_),
                             .x_batch_stride = head_dim,
                             .weights = query_to_latent_.views,
                             .y = qa});
  context.ops.DecodeAttention(
      {.qa = qa,
       .q_pe = HeadPart(q, heads_, nope_dim_, rope_dim_),
       .q_pe_head_stride = head_dim,
       .positions = std::span(batch.positions).subspan(batch.num_prefill_rows, rows),
       .cache = cache,
       .tables = batch.decode_tables,
       .scale = scale_,
       .out = z});
  context.ops.BatchedLinear(
      {.x = z, .weights = latent_to_value_.views, .y = out.Reshaped({rows, heads_, value_dim_})});
}

AttentionSize MlaAttention::SizeOf(const v1::ModelSpec& model, int64_t tokens, int64_t tensor_ranks,
                                   bool quantises) {
  const v1::MlaSpec& mla = model.mla();
  const int64_t heads = model.num_heads() / tensor_ranks;
  const int64_t head_dim = mla.qk_nope_head_dim() + mla.qk_rope_head_dim();
  const int64_t latent_row = mla.kv_lora_rank() + mla.qk_rope_head_dim();
  const int64_t key_value_row = heads * (mla.qk_nope_head_dim() + mla.v_head_dim());
  // Parts that never stand together count once, by their maximum.
  const int64_t prefill = kernels::kPrefillTileTokens * (latent_row + key_value_row) +
                          tokens * heads * (mla.v_head_dim() + 2);
  const int64_t decode = 2 * tokens * heads * mla.kv_lora_rank();
  const int64_t quantised =
      quantises ? kernels::QuantisedRows::MostFloats(tokens, mla.q_lora_rank()) : 0;
  const int64_t projections = std::max<int64_t>(tokens * mla.q_lora_rank() + quantised,
                                                tokens * (latent_row + mla.kv_lora_rank()));
  return {.floats = tokens * heads * (head_dim + mla.v_head_dim()) +
                    std::max({prefill, decode, projections}),
          .output_columns = int64_t{model.num_heads()} * mla.v_head_dim()};
}

}  // namespace switchyard::worker
