#include "coordinator/core/plan/step_bound.h"

#include <algorithm>

#include "coordinator/core/plan/expert_spread.h"
#include "coordinator/core/plan/topology.h"

namespace switchyard::core {
namespace {

using kernels::DType;
using kernels::LinearShape;
using kernels::OpCost;

constexpr double kBf16Bytes = 2;
constexpr double kSumBytes = 4;  // of what the ranks of a group add

OpCost Times(const OpCost& cost, double count) {
  return {.bytes = count * cost.bytes, .flops = count * cost.flops};
}

class StepCosts {
 public:
  StepCosts(const v1::ModelSpec& model, const StepShape& shape)
      : model_(model),
        shape_(shape),
        ranks_(shape.tensor_parallel),
        layers_(double(model.num_layers())),
        moe_layers_(model.has_moe() ? layers_ - double(model.moe().first_moe_layer()) : 0),
        weight_(shape.keeps_codes && model.has_groups() ? DType::kU4 : shape.weight),
        linear_unit_(shape.fp8_products ? Unit::kFp8 : Unit::kBf16) {}

  std::vector<OpBound> All() {
    model_.has_gqa() ? GroupedQueryAttention() : LatentAttention();
    Mlps();
    if (model_.has_moe()) {
      Experts();
      Exchange();
    }
    Sums();
    // Of a prompt, the last token alone needs logits.
    const int64_t rows =
        shape_.decode ? shape_.rows : std::max<int64_t>(1, shape_.rows / shape_.context);
    Add("head", Linear(rows, model_.vocab_size() / ranks_, model_.hidden_size(), DType::kBf16),
        Unit::kBf16);
    return std::move(ops_);
  }

 private:
  void Add(std::string name, const OpCost& cost, Unit unit) {
    ops_.push_back({.name = std::move(name), .cost = cost, .unit = unit});
  }

  static OpCost Linear(int64_t rows, int64_t n, int64_t k, DType weight) {
    return kernels::LinearCost(
        {.rows = rows, .n = n, .k = k, .weight = weight, .activation = DType::kBf16});
  }
  OpCost Linear(int64_t rows, int64_t n, int64_t k) const { return Linear(rows, n, k, weight_); }

  // Keys that the queries of a layer see, all together: of `context` cached ones each, or in a
  // prompt of that length on average.
  double Pairs(int64_t window) const {
    const double rows = double(shape_.rows), context = double(shape_.context);
    const double seen = window == 0 ? context : std::min(context, double(window));
    return rows * (shape_.decode ? seen : seen - seen * seen / (2 * context));
  }

  // A rank has whole key-value heads, and reads all keys of those.
  void GroupedQueryAttention() {
    const v1::GqaSpec& gqa = model_.gqa();
    const int64_t rows = shape_.rows, dim = gqa.head_dim(), hidden = model_.hidden_size();
    const int64_t heads = model_.num_heads() / ranks_;
    const int64_t kv_heads = RankKvHeads(model_, static_cast<int32_t>(ranks_));
    Add("attention, projections in",
        Times(Linear(rows, (heads + 2 * kv_heads) * dim, hidden), layers_), linear_unit_);
    OpCost core;
    for (int layer = 0; layer < model_.num_layers(); ++layer) {
      const double pairs = Pairs(gqa.windows_size() > 0 ? gqa.windows(layer) : 0);
      // Keys with their values: what each generated token sees, or each token of a prompt once.
      const double keys = shape_.decode ? pairs : double(rows);
      core += {.bytes = keys * double(2 * kv_heads * dim) * shape_.cache_element_bytes +
                        double(rows) * double(2 * heads * dim) * kBf16Bytes,
               .flops = 4 * pairs * double(heads * dim)};
    }
    Add("attention, core", core, Unit::kBf16);
    Add("attention, projection out", Times(Linear(rows, hidden, heads * dim), layers_),
        linear_unit_);
  }

  void LatentAttention() {
    const v1::MlaSpec& mla = model_.mla();
    const int64_t rows = shape_.rows, heads = model_.num_heads() / ranks_;
    const int64_t latent = mla.kv_lora_rank(), rope = mla.qk_rope_head_dim();
    const int64_t nope = mla.qk_nope_head_dim(), value = mla.v_head_dim();
    const int64_t hidden = model_.hidden_size();
    const int64_t query_in = mla.q_lora_rank() > 0 ? mla.q_lora_rank() : hidden;
    OpCost in = Linear(rows, mla.q_lora_rank() + latent + rope, hidden);
    in += Linear(rows, heads * (nope + rope), query_in);
    Add("attention, projections in", Times(in, layers_), linear_unit_);
    if (shape_.decode) {
      OpCost absorb = kernels::BatchedLinearCost(
          {.rows = rows, .n = latent, .k = nope, .activation = DType::kBf16}, heads);
      absorb += kernels::BatchedLinearCost(
          {.rows = rows, .n = value, .k = latent, .activation = DType::kBf16}, heads);
      Add("attention, absorbed expansions", Times(absorb, layers_), Unit::kBf16);
      const double keys = double(rows) * double(shape_.context);
      Add("attention, core",
          {.bytes = layers_ * keys * double(latent + rope) * shape_.cache_element_bytes,
           .flops = layers_ * 2 * keys * double(heads) * double(2 * latent + rope)},
          Unit::kBf16);
    } else {
      Add("attention, expansion of keys and values",
          Times(Linear(rows, heads * (nope + value), latent), layers_), linear_unit_);
      const double pairs = double(rows) * double(shape_.context) / 2;  // causal
      const double row_elements = double(heads) * double(2 * (nope + value) + rope);
      Add("attention, core",
          {.bytes = layers_ * double(rows) * row_elements * kBf16Bytes,
           .flops = layers_ * 2 * pairs * double(heads) * double(nope + rope + value)},
          Unit::kBf16);
    }
    Add("attention, projection out", Times(Linear(rows, hidden, heads * value), layers_),
        linear_unit_);
  }

  OpCost Mlp(int64_t rows, int64_t blocks, int64_t width) const {
    return Mlp(rows, blocks, width, weight_);
  }
  OpCost Mlp(int64_t rows, int64_t blocks, int64_t width, DType weight) const {
    return kernels::GroupedMlpCost({.rows = rows,
                                    .active_blocks = blocks,
                                    .hidden = model_.hidden_size(),
                                    .width = width,
                                    .weight = weight,
                                    .activation = DType::kBf16});
  }

  void Mlps() {
    if (layers_ == moe_layers_) return;
    Add("dense MLPs",
        Times(Mlp(shape_.rows, 1, model_.intermediate_size() / ranks_), layers_ - moe_layers_),
        linear_unit_);
  }

  // Each rank routes its part of the group's tokens.
  int64_t Slice() const { return (shape_.rows + ranks_ - 1) / ranks_; }

  void Experts() {
    const v1::MoeSpec& moe = model_.moe();
    // FP32 weights as three BF16 parts.
    const OpCost gate =
        Linear(Slice(), 3 * moe.num_routed_experts(), model_.hidden_size(), DType::kBf16);
    Add("gates", Times(gate, moe_layers_), Unit::kBf16);
    if (moe.num_shared_experts() > 0) {
      Add("shared experts",
          Times(Mlp(Slice(), 1, int64_t{moe.num_shared_experts()} * moe.intermediate_size()),
                moe_layers_),
          linear_unit_);
    }
    // Every GPU sends as many rows as it gets; with few rows some experts have none.
    const int64_t rows = Slice() * moe.experts_per_token();
    const DType weight = shape_.keeps_codes && moe.mxfp4() ? DType::kF4E2M1 : weight_;
    Add("routed experts",
        Times(Mlp(rows, std::min(rows, shape_.experts_per_gpu), moe.intermediate_size(), weight),
              moe_layers_),
        linear_unit_);
  }

  // Rows of one token that leave for other nodes, and for other ranks of its own, out and back.
  struct Travels {
    double out_remote, out_local, back_remote, back_local;
  };
  Travels TravelsOfToken() const {
    const double gpus = double(shape_.gpus);
    const double node = double(std::min(shape_.gpus_per_node, shape_.gpus));
    const double remote = 1 - node / gpus, local = (node - 1) / gpus;
    const double slots = double(model_.moe().experts_per_token());
    if (shape_.exchange.once == ExchangeForm::Once::kExpert) {
      return {slots * remote, slots * local, slots * remote, slots * local};
    }
    const double ranks = ExpectedParts(model_.moe(), shape_.gpus);
    if (shape_.exchange.once == ExchangeForm::Once::kRank) {
      return {ranks * remote, ranks * local, slots * remote, slots * local};
    }
    // A row that came into a node goes on from where it came in; the node adds what goes back.
    const int64_t nodes = (shape_.gpus + shape_.gpus_per_node - 1) / shape_.gpus_per_node;
    const double entered = ExpectedParts(model_.moe(), nodes) * remote;
    const double forwarded = ranks * (node - 1) / node;
    return {entered, forwarded, entered, forwarded};
  }

  void Exchange() {
    const double hidden = double(model_.hidden_size()) * moe_layers_ * double(Slice());
    const Travels rows = TravelsOfToken();
    const double out = hidden * shape_.exchange.dispatch_element_bytes;
    const double back = hidden * shape_.exchange.combine_element_bytes;
    Add("dispatch, between nodes", {.bytes = out * rows.out_remote}, Unit::kNetwork);
    Add("combine, between nodes", {.bytes = back * rows.back_remote}, Unit::kNetwork);
    Add("dispatch, inside nodes", {.bytes = out * rows.out_local}, Unit::kLink);
    Add("combine, inside nodes", {.bytes = back * rows.back_local}, Unit::kLink);
  }

  // A rank gets the others' parts of its share, and then the others' shares.
  void Sums() {
    if (ranks_ == 1) return;
    const double moved =
        double(ranks_ - 1) / double(ranks_) * double(shape_.rows) * double(model_.hidden_size());
    const double sums = layers_ + (layers_ - moe_layers_) + 1;  // attention, dense MLPs, embedding
    const bool in_node = ranks_ <= shape_.gpus_per_node && shape_.gpus_per_node % ranks_ == 0;
    Add("sums of the group", {.bytes = moved * (2 * kSumBytes * sums + kBf16Bytes * moe_layers_)},
        in_node ? Unit::kLink : Unit::kNetwork);
  }

  const v1::ModelSpec& model_;
  const StepShape& shape_;
  const int64_t ranks_;
  const double layers_, moe_layers_;
  const DType weight_;
  const Unit linear_unit_;
  std::vector<OpBound> ops_;
};

double PeakFlops(Unit unit, const DeviceFigures& device) {
  const bool fp8 = unit == Unit::kFp8 && device.fp8_flops.value > 0;
  return fp8 ? device.fp8_flops.value : device.bf16_flops.value;
}

}  // namespace

double OpBound::Seconds(const DeviceFigures& device) const {
  if (unit == Unit::kNetwork) return cost.bytes / device.network_bytes_per_s.value;
  if (unit == Unit::kLink) return cost.bytes / device.link_bytes_per_s.value;
  return std::max(cost.bytes / device.memory_bytes_per_s.value,
                  cost.flops / PeakFlops(unit, device));
}

bool OpBound::LimitedByMemory(const DeviceFigures& device) const {
  return cost.bytes / device.memory_bytes_per_s.value >= cost.flops / PeakFlops(unit, device);
}

std::vector<OpBound> StepBound(const v1::ModelSpec& model, const StepShape& shape) {
  return StepCosts(model, shape).All();
}

std::string_view Name(Limit limit) {
  switch (limit) {
    case Limit::kMemory:
      return "HBM";
    case Limit::kFlops:
      return "FLOPs";
    case Limit::kLink:
      return "link";
    case Limit::kNetwork:
      return "network";
  }
  return "";
}

double StepSeconds::total() const { return std::max({computing(), link, network}); }

Limit StepSeconds::limit() const {
  if (network >= total()) return Limit::kNetwork;
  if (link >= total()) return Limit::kLink;
  return memory >= flops ? Limit::kMemory : Limit::kFlops;
}

StepSeconds SecondsOf(const std::vector<OpBound>& ops, const DeviceFigures& device) {
  StepSeconds seconds;
  for (const OpBound& op : ops) {
    double& sum = op.unit == Unit::kNetwork    ? seconds.network
                  : op.unit == Unit::kLink     ? seconds.link
                  : op.LimitedByMemory(device) ? seconds.memory
                                               : seconds.flops;
    sum += op.Seconds(device);
  }
  return seconds;
}

}  // namespace switchyard::core
