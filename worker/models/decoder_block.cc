#include "worker/models/decoder_block.h"

#include <fmt/format.h>

#include <string>

#include "worker/layers/norm.h"

namespace switchyard::worker {

using kernels::TensorView;

Stream TakeStream(const LayerContext& context, const TensorView& normed) {
  return {.h = context.Take({normed.rows(), normed.RowElements()}),
          .delta = context.Take({normed.rows(), normed.RowElements()}),
          .normed = normed};
}

NormedRows NormStream(const LayerContext& context, const Stream& stream, const StreamNorm& norm,
                      const InputForms& forms) {
  NormedRows normed;
  if (forms.rows) normed.rows = stream.normed;
  if (stream.h.rows() == 0) return normed;
  if (forms.quantised) {
    normed.quantised = context.TakeQuantised(stream.h.rows(), stream.h.RowElements());
  }
  context.ops.RmsNorm({.x = stream.h,
                       .delta = norm.add_delta ? stream.delta : TensorView(),
                       .weight = norm.weight.view,
                       .eps = norm.eps,
                       .y = normed.rows,
                       .quantised = normed.quantised,
                       .ue8m0_scales = context.ue8m0_scales});
  return normed;
}

void DecoderBlock::Load(WeightLoader& loader, const LayerContext& context,
                        const v1::ModelSpec& model, int layer, const RopeTables* ropes) {
  const std::string prefix = fmt::format("{}model.layers.{}.", model.tensor_prefix(), layer);
  const int64_t hidden = model.hidden_size();
  layer_ = layer;
  eps_ = static_cast<float>(model.rms_norm_eps());
  const auto norm = [&](const char* name, DeviceTensor* out) {
    LoadNorm(loader, model, prefix + name + "_layernorm.weight", hidden, out);
  };
  norm("input", &attention_norm_);
  attention_ = MakeAttention(model);
  attention_->Load(loader, context, prefix + "self_attn.", model, layer, ropes);
  if (model.output_norms()) {
    norm("post_attention", &attention_output_norm_);
    norm("pre_feedforward", &mlp_norm_);
    norm("post_feedforward", &mlp_output_norm_);
  } else {
    norm("post_attention", &mlp_norm_);
  }
  if (model.has_moe() && layer >= model.moe().first_moe_layer()) {
    moe_ = std::make_unique<MoeBlock>();
    moe_->Load(loader, context, prefix + std::string(ExpertNamesOf(model).block), model);
  } else {
    mlp_ = std::make_unique<DenseMlp>();
    mlp_->Load(loader, context, prefix + "mlp.", model);
  }
}

void DecoderBlock::NormOutput(const LayerContext& context, const DeviceTensor& norm,
                              const TensorView& rows) const {
  if (norm.view.empty()) return;
  context.ops.RmsNorm({.x = rows, .weight = norm.view, .eps = eps_, .y = rows});
}

void DecoderBlock::WriteCache(const LayerContext& context, const ForwardBatch& batch, KvStore& kv,
                              const Stream& stream) const {
  ActivationArena::Scope scope(context.arena);
  const NormedRows x =
      NormStream(context, stream, {.weight = attention_norm_, .eps = eps_, .add_delta = false},
                 attention_->input_forms());
  attention_->WriteCache(context, batch, layer_, x, kv.layer(layer_));
}

absl::Status DecoderBlock::Attend(const LayerContext& context, const ForwardBatch& batch,
                                  KvStore& kv, const Stream& stream, bool first) const {
  const bool empty =
      stream.h.rows() == 0;  // all ranks of a group agree, so its collectives may be left out
  {
    ActivationArena::Scope scope(context.arena);
    const NormedRows x =
        NormStream(context, stream, {.weight = attention_norm_, .eps = eps_, .add_delta = !first},
                   attention_->input_forms());
    context.Record("hidden", layer_, stream.h);
    if (!empty) {
      SY_RETURN_IF_ERROR(
          attention_->Forward(context, batch, layer_, x, kv.layer(layer_), stream.delta));
      context.Record("attn", layer_, stream.delta);
      NormOutput(context, attention_output_norm_, stream.delta);
    }
  }
  const StreamNorm norm{.weight = mlp_norm_, .eps = eps_};
  if (moe_ != nullptr) {
    NormStream(context, stream, norm);
    return absl::OkStatus();
  }
  ActivationArena::Scope scope(context.arena);
  const NormedRows x = NormStream(context, stream, norm, mlp_->input_forms());
  if (empty) return absl::OkStatus();
  SY_RETURN_IF_ERROR(mlp_->Forward(context, x, stream.delta));
  NormOutput(context, mlp_output_norm_, stream.delta);
  return absl::OkStatus();
}

}  // namespace switchyard::worker
