#include "bench/bounds/step_bound.h"

#include <algorithm>

namespace switchyard::bench {
namespace {

using kernels::DType;
using kernels::LinearShape;
using kernels::OpCost;

constexpr double kBf16Bytes = 2;
constexpr double kFp8RowScaleBytes = 4.0 / 128;  // per element of a dispatched row

OpCost Times(const OpCost& cost, double count) {
  return {.bytes = count * cost.bytes, .flops = count * cost.flops};
}

class StepCosts {
 public:
  StepCosts(const v1::ModelSpec& model, const StepShape& shape)
      : model_(model),
        shape_(shape),
        layers_(double(model.num_layers())),
        moe_layers_(double(model.num_layers() - model.moe().first_moe_layer())) {}

  std::vector<OpBound> All() {
    Attention();
    Mlps();
    Exchange();
    // Of a prompt, the last token alone needs logits.
    const int64_t rows =
        shape_.decode ? shape_.rows : std::max<int64_t>(1, shape_.rows / shape_.context);
    Add("head", Linear(rows, model_.vocab_size(), model_.hidden_size(), DType::kBf16), Unit::kBf16);
    return std::move(ops_);
  }

 private:
  void Add(std::string name, const OpCost& cost, Unit unit) {
    ops_.push_back({.name = std::move(name), .cost = cost, .unit = unit});
  }

  static OpCost Linear(int64_t rows, int64_t n, int64_t k, DType weight = DType::kF8E4M3) {
    return kernels::LinearCost(
        {.rows = rows, .n = n, .k = k, .weight = weight, .activation = DType::kBf16});
  }

  void Attention() {
    const v1::MlaSpec& mla = model_.mla();
    const int64_t rows = shape_.rows, heads = model_.num_heads();
    const int64_t latent = mla.kv_lora_rank(), rope = mla.qk_rope_head_dim();
    const int64_t nope = mla.qk_nope_head_dim(), value = mla.v_head_dim();
    const int64_t hidden = model_.hidden_size();
    OpCost in = Linear(rows, mla.q_lora_rank() + latent + rope, hidden);
    in += Linear(rows, heads * (nope + rope), mla.q_lora_rank());
    Add("attention, projections in", Times(in, layers_), Unit::kFp8);
    if (shape_.decode) {
      OpCost absorb = kernels::BatchedLinearCost(
          {.rows = rows, .n = latent, .k = nope, .activation = DType::kBf16}, heads);
      absorb += kernels::BatchedLinearCost(
          {.rows = rows, .n = value, .k = latent, .activation = DType::kBf16}, heads);
      Add("attention, absorbed expansions", Times(absorb, layers_), Unit::kBf16);
      const double keys = double(rows) * double(shape_.context);
      Add("attention, core",
          {.bytes = layers_ * keys * double(latent + rope) * kBf16Bytes,
           .flops = layers_ * 2 * keys * double(heads) * double(2 * latent + rope)},
          Unit::kBf16);
    } else {
      Add("attention, expansion of keys and values",
          Times(Linear(rows, heads * (nope + value), latent), layers_), Unit::kFp8);
      const double pairs = double(rows) * double(shape_.context) / 2;  // causal
      const double row_elements = double(heads) * double(2 * (nope + value) + rope);
      Add("attention, core",
          {.bytes = layers_ * double(rows) * row_elements * kBf16Bytes,
           .flops = layers_ * 2 * pairs * double(heads) * double(nope + rope + value)},
          Unit::kBf16);
    }
    Add("attention, projection out", Times(Linear(rows, hidden, heads * value), layers_),
        Unit::kFp8);
  }

  void Mlps() {
    const v1::MoeSpec& moe = model_.moe();
    const auto mlp = [&](int64_t rows, int64_t blocks, int64_t width) {
      return kernels::GroupedMlpCost({.rows = rows,
                                      .active_blocks = blocks,
                                      .hidden = model_.hidden_size(),
                                      .width = width,
                                      .weight = DType::kF8E4M3,
                                      .activation = DType::kBf16});
    };
    Add("dense MLPs",
        Times(mlp(shape_.rows, 1, model_.intermediate_size()), double(moe.first_moe_layer())),
        Unit::kFp8);
    // FP32 weights as three BF16 parts.
    const OpCost gate =
        Linear(shape_.rows, 3 * moe.num_routed_experts(), model_.hidden_size(), DType::kBf16);
    Add("gates", Times(gate, moe_layers_), Unit::kBf16);
    Add("shared experts",
        Times(mlp(shape_.rows, 1, moe.num_shared_experts() * moe.intermediate_size()), moe_layers_),
        Unit::kFp8);
    // Every GPU sends as many rows as it gets; with few rows some experts have none.
    const int64_t rows = shape_.rows * moe.experts_per_token();
    Add("routed experts",
        Times(mlp(rows, std::min(rows, shape_.experts_per_gpu), moe.intermediate_size()),
              moe_layers_),
        Unit::kFp8);
  }

  // Each slot of a token travels by itself, FP8 out and BF16 back; what stays in a node is free.
  void Exchange() {
    const double hidden = double(model_.hidden_size());
    const double remote = std::max(0.0, 1 - double(shape_.gpus_per_node) / double(shape_.gpus));
    const double slots = double(shape_.rows) * double(model_.moe().experts_per_token()) * remote;
    Add("dispatch, between nodes",
        {.bytes = moe_layers_ * slots * hidden * (1 + kFp8RowScaleBytes)}, Unit::kNetwork);
    Add("combine, between nodes", {.bytes = moe_layers_ * slots * hidden * kBf16Bytes},
        Unit::kNetwork);
  }

  const v1::ModelSpec& model_;
  const StepShape& shape_;
  const double layers_, moe_layers_;
  std::vector<OpBound> ops_;
};

}  // namespace

double OpBound::Seconds(const Gpu& gpu) const {
  if (unit == Unit::kNetwork) return cost.bytes / gpu.network_bytes_per_s;
  const double flops = unit == Unit::kFp8 ? gpu.fp8_flops : gpu.bf16_flops;
  return std::max(cost.bytes / gpu.memory_bytes_per_s, cost.flops / flops);
}

std::vector<OpBound> StepBound(const v1::ModelSpec& model, const StepShape& shape) {
  return StepCosts(model, shape).All();
}

}  // namespace switchyard::bench
