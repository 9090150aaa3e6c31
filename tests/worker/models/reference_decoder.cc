#include "tests/worker/models/reference_decoder.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/check.h"
#include "base/units.h"
#include "cli/local_engine.h"
#include "kernels/dtype.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::testing {

using worker::FileDtype;
using worker::TensorInfo;

namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<std::byte> ReadTensor(const worker::Checkpoint& checkpoint, const TensorInfo& tensor) {
  worker::ReadBatch batch{
      .ranges = {{worker::TensorRange::Whole(tensor)}}, .plan = {}, .memory = nullptr};
  const absl::Status status = worker::ShardReader(&checkpoint).Read(batch);
  SY_CHECK(status.ok()) << status.ToString();
  return std::vector<std::byte>(batch.data(0), batch.data(0) + tensor.num_bytes);
}

double Element(const std::vector<std::byte>& bytes, FileDtype dtype, int64_t i) {
  switch (dtype) {
    case FileDtype::kF32:
      return reinterpret_cast<const float*>(bytes.data())[i];
    case FileDtype::kBf16:
      return kernels::ToFloat(reinterpret_cast<const kernels::Bf16*>(bytes.data())[i]);
    default:
      SY_CHECK(dtype == FileDtype::kF8E4m3);
      return kernels::ToFloat(reinterpret_cast<const kernels::F8E4M3*>(bytes.data())[i]);
  }
}

// MODEL_SPECS 1.6: what one position turns pair `i` of `dim` / 2 by.
double Angle(const v1::RopeSpec& rope, int64_t i, int64_t dim) {
  const double plain = 1 / std::pow(rope.theta(), double(2 * i) / dim);
  if (rope.has_linear_factor()) return plain / rope.linear_factor();
  if (rope.has_llama3()) {
    const v1::Llama3Scaling& llama3 = rope.llama3();
    const double wavelength = 2 * std::numbers::pi / plain;
    const double context = llama3.original_max_position_embeddings();
    const double low = llama3.low_freq_factor(), high = llama3.high_freq_factor();
    if (wavelength < context / high) return plain;
    if (wavelength > context / low) return plain / llama3.factor();
    const double a = (context / wavelength - low) / (high - low);
    return (1 - a) * plain / llama3.factor() + a * plain;
  }
  if (!rope.has_yarn()) return plain;
  const v1::YarnScaling& yarn = rope.yarn();
  const auto pair_of = [&](double turns) {
    const double length = yarn.original_max_position_embeddings();
    return dim * std::log(length / (2 * std::numbers::pi * turns)) / (2 * std::log(rope.theta()));
  };
  double low = pair_of(yarn.beta_fast()), high = pair_of(yarn.beta_slow());
  if (yarn.truncate()) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, double(dim - 1));
  if (low == high) high += 0.001;
  const double stretched = std::min(std::max((i - low) / (high - low), 0.0), 1.0);
  return stretched * plain / yarn.factor() + (1 - stretched) * plain;
}

}  // namespace

ReferenceDecoder::ReferenceDecoder(const std::string& model_folder)
    : model_(*cli::ReadModelSpec(model_folder)),
      checkpoint_(*worker::Checkpoint::Open(model_folder)) {}

const std::vector<double>& ReferenceDecoder::Weight(const std::string& name) {
  std::vector<double>& values = weights_[name];
  if (!values.empty()) return values;
  const TensorInfo* tensor = checkpoint_.Find(name);
  SY_CHECK(tensor != nullptr) << name;
  const std::vector<std::byte> bytes = ReadTensor(checkpoint_, *tensor);
  values.resize(
      std::accumulate(tensor->shape.begin(), tensor->shape.end(), int64_t{1}, std::multiplies<>()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = Element(bytes, tensor->dtype, i);
  if (tensor->dtype == FileDtype::kF8E4m3 && checkpoint_.Find(name + "_scale") != nullptr) {
    const std::vector<double>& scales = Weight(name + "_scale");
    const bool by_rows = scales.size() > 1;
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] *= scales[by_rows ? i / size_t(tensor->shape[1]) : 0];
    }
  } else if (tensor->dtype == FileDtype::kF8E4m3) {
    const std::vector<double>& scales = Weight(name + "_scale_inv");
    const int64_t columns = tensor->shape[1];
    const int64_t block_columns = CeilDiv(columns, 128);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] *= scales[i / columns / 128 * block_columns + i % columns / 128];
    }
  }
  return values;
}

ReferenceDecoder::Row ReferenceDecoder::Linear(const Row& x, const std::string& name) {
  const std::vector<double>& weight = Weight(name + ".weight");
  Row y(weight.size() / x.size());
  if (checkpoint_.Find(name + ".bias") != nullptr) y = Weight(name + ".bias");
  for (size_t n = 0; n < y.size(); ++n) {
    y[n] += std::inner_product(x.begin(), x.end(), weight.begin() + n * x.size(), 0.0);
  }
  return y;
}

ReferenceDecoder::Row ReferenceDecoder::Norm(const Row& x, const std::string& name, double eps) {
  const std::vector<double>& weight = Weight(name + ".weight");
  const double square = std::inner_product(x.begin(), x.end(), x.begin(), 0.0) / double(x.size());
  Row y(x.size());
  const double offset = model_.unit_offset_norms() ? 1 : 0;
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = (offset + weight[i]) * x[i] / std::sqrt(square + eps);
  }
  return y;
}

void ReferenceDecoder::Rotate(const v1::RopeSpec& rope, double* head, int64_t dim, int64_t step,
                              int64_t position) {
  const v1::YarnScaling& yarn = rope.yarn();
  const bool larger = yarn.factor() > 1 && yarn.mscale_all_dim() == 0;
  const double amplitude = larger ? 0.1 * std::log(yarn.factor()) + 1 : 1;
  for (int64_t i = 0; i < dim / 2; ++i) {
    const double angle = position * Angle(rope, i, dim);
    double& first = head[step == 1 ? 2 * i : i];
    double& second = *(&first + step);
    const double a = amplitude * first, b = amplitude * second;
    first = a * std::cos(angle) - b * std::sin(angle);
    second = a * std::sin(angle) + b * std::cos(angle);
  }
}

ReferenceDecoder::Rows ReferenceDecoder::Mla(const Rows& x, const std::string& prefix) {
  const v1::MlaSpec& mla = model_.mla();
  const int64_t nope = mla.qk_nope_head_dim(), rope = mla.qk_rope_head_dim();
  const int64_t width = mla.v_head_dim();
  Rows q, expanded, k_pe;
  for (size_t t = 0; t < x.size(); ++t) {
    q.push_back(mla.q_lora_rank() > 0 ? Linear(Norm(Linear(x[t], prefix + "q_a_proj"),
                                                    prefix + "q_a_layernorm", 1e-6),
                                               prefix + "q_b_proj")
                                      : Linear(x[t], prefix + "q_proj"));
    for (int64_t head = 0; head < model_.num_heads(); ++head) {
      Rotate(model_.rope(), q[t].data() + head * (nope + rope) + nope, rope, 1, int64_t(t));
    }
    const Row latent = Linear(x[t], prefix + "kv_a_proj_with_mqa");
    const auto border = latent.begin() + mla.kv_lora_rank();
    k_pe.emplace_back(border, latent.end());
    Rotate(model_.rope(), k_pe.back().data(), rope, 1, int64_t(t));
    expanded.push_back(Linear(Norm(Row(latent.begin(), border), prefix + "kv_a_layernorm", 1e-6),
                              prefix + "kv_b_proj"));
  }
  Rows out(x.size());
  for (int64_t head = 0; head < model_.num_heads(); ++head) {
    Rows queries, keys, values;
    for (size_t t = 0; t < x.size(); ++t) {
      const auto query = q[t].begin() + head * (nope + rope);
      queries.emplace_back(query, query + nope + rope);
      const auto key = expanded[t].begin() + head * (nope + width);
      keys.emplace_back(key, key + nope);
      keys.back().insert(keys.back().end(), k_pe[t].begin(), k_pe[t].end());
      values.emplace_back(key + nope, key + nope + width);
    }
    for (size_t t = 0; t < x.size(); ++t) {
      const Row part = HeadOutput(queries, keys, values, t, {});
      out[t].insert(out[t].end(), part.begin(), part.end());
    }
  }
  for (Row& row : out) row = Linear(row, prefix + "o_proj");
  return out;
}

ReferenceDecoder::Rows ReferenceDecoder::Gqa(const Rows& x, const std::string& prefix, int layer) {
  const v1::GqaSpec& gqa = model_.gqa();
  const int64_t dim = gqa.head_dim();
  const int64_t rotary = gqa.rotary_dim() > 0 ? gqa.rotary_dim() : dim;
  HeadForm form{.window = gqa.windows_size() > 0 ? size_t(gqa.windows(layer)) : 0,
                .has_sink = gqa.sinks()};
  const bool own_rope = form.window > 0 && gqa.has_windowed_rope();
  const v1::RopeSpec& rope = own_rope ? gqa.windowed_rope() : model_.rope();
  Rows q, k, v;
  for (size_t t = 0; t < x.size(); ++t) {
    q.push_back(Linear(x[t], prefix + "q_proj"));
    k.push_back(Linear(x[t], prefix + "k_proj"));
    v.push_back(Linear(x[t], prefix + "v_proj"));
    for (Row* row : {&q[t], &k[t]}) {
      for (size_t head = 0; head < row->size(); head += dim) {
        if (gqa.qk_norm()) {
          const Row normed =
              Norm({row->begin() + head, row->begin() + head + dim},
                   prefix + (row == &q[t] ? "q_norm" : "k_norm"), model_.rms_norm_eps());
          std::ranges::copy(normed, row->begin() + head);
        }
        Rotate(rope, row->data() + head, rotary, rotary / 2, int64_t(t));
      }
    }
  }
  const auto heads_of = [&](const Rows& rows, int64_t head) {
    Rows parts;
    for (const Row& row : rows) {
      parts.emplace_back(row.begin() + head * dim, row.begin() + (head + 1) * dim);
    }
    return parts;
  };
  Rows out(x.size());
  for (int64_t head = 0; head < model_.num_heads(); ++head) {
    const int64_t kv_head = head / (model_.num_heads() / gqa.num_kv_heads());
    const Rows queries = heads_of(q, head), keys = heads_of(k, kv_head);
    const Rows values = heads_of(v, kv_head);
    if (form.has_sink) form.sink = Weight(prefix + "sinks")[head];
    for (size_t t = 0; t < x.size(); ++t) {
      const Row part = HeadOutput(queries, keys, values, t, form);
      out[t].insert(out[t].end(), part.begin(), part.end());
    }
  }
  for (Row& row : out) row = Linear(row, prefix + "o_proj");
  return out;
}

ReferenceDecoder::Row ReferenceDecoder::HeadOutput(const Rows& queries, const Rows& keys,
                                                   const Rows& values, size_t position,
                                                   const HeadForm& form) const {
  const Row& query = queries[position];
  double scale = 1 / std::sqrt(double(query.size()));
  if (model_.gqa().score_scale() > 0) scale = model_.gqa().score_scale();
  if (model_.has_mla() && model_.rope().has_yarn()) {
    const v1::YarnScaling& yarn = model_.rope().yarn();
    const double m = 0.1 * yarn.mscale_all_dim() * std::log(yarn.factor()) + 1;
    scale *= m * m;
    SY_CHECK(yarn.mscale() == yarn.mscale_all_dim()) << "cosines and sines need a factor";
  }
  Row output(values[0].size());
  double sum = form.has_sink ? std::exp(form.sink) : 0;
  const size_t window = form.window;
  const size_t first = window > 0 && position + 1 > window ? position + 1 - window : 0;
  for (size_t u = first; u <= position; ++u) {
    const double score = std::inner_product(query.begin(), query.end(), keys[u].begin(), 0.0);
    const double weight = std::exp(scale * score);
    sum += weight;
    for (size_t i = 0; i < output.size(); ++i) output[i] += weight * values[u][i];
  }
  for (double& value : output) value /= sum;
  return output;
}

ReferenceDecoder::Row ReferenceDecoder::Mlp(const Row& x, const std::string& prefix,
                                            const std::array<const char*, 3>& names) {
  Row inner = Linear(x, prefix + names[0]);
  const Row up = Linear(x, prefix + names[1]);
  for (size_t i = 0; i < inner.size(); ++i) inner[i] = Gated(inner[i], up[i]);
  return Linear(inner, prefix + names[2]);
}

double ReferenceDecoder::Gated(double gate, double up) const {
  switch (model_.gate_function()) {
    case v1::GATE_FUNCTION_GELU_TANH: {
      const double u = std::sqrt(2 / std::numbers::pi) * (gate + 0.044715 * std::pow(gate, 3));
      return 0.5 * gate * (1 + std::tanh(u)) * up;
    }
    case v1::GATE_FUNCTION_CLAMPED_SWIGLU: {
      const double limit = model_.gate_limit(), g = std::min(gate, limit);
      return g * Sigmoid(1.702 * g) * (std::clamp(up, -limit, limit) + 1);
    }
    default:
      return gate * Sigmoid(gate) * up;
  }
}

ReferenceDecoder::Row ReferenceDecoder::FusedExpert(const Row& x, const std::string& prefix,
                                                    int expert) {
  // Weight [in, out] of the expert, behind those of the experts before it.
  const auto linear = [&](const Row& in, const std::string& name, size_t out) {
    const std::vector<double>& weight = Weight(prefix + name);
    const std::vector<double>& bias = Weight(prefix + name + "_bias");
    Row y(bias.begin() + expert * out, bias.begin() + (expert + 1) * out);
    for (size_t k = 0; k < in.size(); ++k) {
      for (size_t n = 0; n < out; ++n) {
        y[n] += in[k] * weight[(expert * in.size() + k) * out + n];
      }
    }
    return y;
  };
  const auto width = size_t(model_.moe().intermediate_size());
  const Row both = linear(x, "gate_up_proj", 2 * width);
  Row inner(width);
  for (size_t i = 0; i < width; ++i) inner[i] = Gated(both[2 * i], both[2 * i + 1]);
  return linear(inner, "down_proj", x.size());
}

std::vector<int> ReferenceDecoder::ChooseExperts(const Row& scores,
                                                 const std::vector<double>& bias) const {
  const v1::MoeSpec& moe = model_.moe();
  const int experts = moe.num_routed_experts();
  const int group_size = experts / moe.num_groups();
  std::vector<double> choice(experts);
  for (int e = 0; e < experts; ++e) choice[e] = scores[e] + bias[e];
  if (moe.num_groups() > 1) {
    std::vector<std::pair<double, int>> groups;
    for (int g = 0; g < moe.num_groups(); ++g) {
      std::vector<double> best(choice.begin() + g * group_size,
                               choice.begin() + (g + 1) * group_size);
      std::ranges::sort(best, std::greater());
      groups.emplace_back(moe.softmax_scores() ? best[0] : best[0] + best[1], g);
    }
    std::ranges::sort(groups, std::greater());
    for (int g = moe.top_groups(); g < moe.num_groups(); ++g) {
      const auto first = choice.begin() + groups[g].second * group_size;
      std::fill(first, first + group_size, -INFINITY);
    }
  }
  std::vector<int> ids(experts);
  std::iota(ids.begin(), ids.end(), 0);
  std::ranges::stable_sort(ids, std::greater(), [&](int e) { return choice[e]; });
  ids.resize(moe.experts_per_token());
  return ids;
}

ReferenceDecoder::Row ReferenceDecoder::Moe(const Row& x, const std::string& prefix) {
  const v1::MoeSpec& moe = model_.moe();
  Row scores = Linear(x, prefix + (moe.fused() ? "router" : "gate"));
  if (moe.softmax_scores()) {
    double all = 0;
    for (double& score : scores) all += score = std::exp(score);
    for (double& score : scores) score /= all;
  } else {
    for (double& score : scores) score = Sigmoid(score);
  }
  const std::vector<int> ids =
      ChooseExperts(scores, moe.softmax_scores() ? std::vector<double>(scores.size())
                                                 : Weight(prefix + "gate.e_score_correction_bias"));
  double sum = 1;
  if (moe.normalize_weights()) {
    sum = 1e-20;
    for (int id : ids) sum += scores[id];
  }
  Row y = moe.num_shared_experts() > 0 ? Mlp(x, prefix + "shared_experts.") : Row(x.size());
  for (int id : ids) {
    const std::string name = prefix + "experts." + std::to_string(id) + ".";
    const Row expert = moe.fused()                        ? FusedExpert(x, prefix + "experts.", id)
                       : model_.model_type() == "mixtral" ? Mlp(x, name, {"w1", "w3", "w2"})
                                                          : Mlp(x, name);
    const double weight = scores[id] / sum * moe.routed_scaling_factor();
    for (size_t i = 0; i < y.size(); ++i) y[i] += weight * expert[i];
  }
  return y;
}

std::vector<std::vector<double>> ReferenceDecoder::Logits(const std::vector<int32_t>& tokens) {
  const int64_t hidden = model_.hidden_size();
  const double eps = model_.rms_norm_eps();
  const std::string model = model_.tensor_prefix() + "model.";
  Rows h;
  for (int32_t token : tokens) {
    const auto row = Weight(model + "embed_tokens.weight").begin() + token * hidden;
    h.emplace_back(row, row + hidden);
    if (!model_.scaled_embeddings()) continue;
    for (double& value : h.back()) value *= std::sqrt(double(hidden));
  }
  const auto add = [](Row& to, const Row& row) {
    std::ranges::transform(to, row, to.begin(), std::plus());
  };
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    const std::string prefix = model + "layers." + std::to_string(layer) + ".";
    Rows normed;
    for (const Row& row : h) normed.push_back(Norm(row, prefix + "input_layernorm", eps));
    const Rows attention = model_.has_gqa() ? Gqa(normed, prefix + "self_attn.", layer)
                                            : Mla(normed, prefix + "self_attn.");
    // What comes out, through its norm where the model has one.
    const auto out = [&](const Row& row, const char* norm) {
      return model_.output_norms() ? Norm(row, prefix + norm, eps) : row;
    };
    for (size_t t = 0; t < h.size(); ++t) {
      add(h[t], out(attention[t], "post_attention_layernorm"));
      const Row x = Norm(h[t],
                         prefix + (model_.output_norms() ? "pre_feedforward_layernorm"
                                                         : "post_attention_layernorm"),
                         eps);
      const bool dense = !model_.has_moe() || layer < model_.moe().first_moe_layer();
      const bool mixtral = model_.model_type() == "mixtral";
      add(h[t], dense ? out(Mlp(x, prefix + "mlp."), "post_feedforward_layernorm")
                      : Moe(x, prefix + (mixtral ? "block_sparse_moe." : "mlp.")));
    }
  }
  for (Row& row : h) {
    row = Linear(Norm(row, model + "norm", eps), model_.tie_word_embeddings()
                                                     ? model + "embed_tokens"
                                                     : model_.tensor_prefix() + "lm_head");
  }
  return h;
}

}  // namespace switchyard::testing
