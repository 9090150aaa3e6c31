#include "coordinator/core/plan/step_memory.h"

#include <algorithm>

#include "base/units.h"
#include "coordinator/core/plan/topology.h"

namespace switchyard::core {
namespace {

constexpr int64_t kInt = 4;
constexpr int64_t kFloat = 4;
constexpr int64_t kScaleColumns = 128;
constexpr int64_t kGatherBytes = 64 * kKiB;  // reductions up to this gather and add

int64_t MostDrafts(const v1::DraftPlan& drafts) {
  return std::max(drafts.max_tokens(), drafts.max_forced());
}

bool Quantises(const v1::ShardPlan& plan) { return plan.compute() == v1::COMPUTE_MODE_W8A8; }

// Rows of logits: two of each sequence.
int64_t MostOutputRows(const v1::StepLimits& limits) {
  return std::min<int64_t>(2 * int64_t{limits.max_running()}, limits.max_batched_tokens());
}

// Floats that adding n floats over `ranks` takes beside them.
int64_t ReduceScratch(int64_t ranks, int64_t n) {
  if (ranks == 1) return 0;
  if (ranks == 2) return 2 * n;
  const int64_t largest_gather = kGatherBytes / (kFloat * (ranks - 1));
  return std::max(ranks * std::min(n, largest_gather), ranks * CeilDiv(n, ranks));
}

// Floats of rows in the form of quantised products.
int64_t QuantisedFloats(const v1::ShardPlan& plan, int64_t columns) {
  if (!Quantises(plan)) return 0;
  const int64_t rows = RoundUp(plan.limits().max_batched_tokens(), 8);
  return rows * (CeilDiv(columns, kScaleColumns) * 129 + 32);
}

// Columns that come out of attention, of all heads.
int64_t AttentionColumns(const v1::ModelSpec& model) {
  return int64_t{model.num_heads()} *
         (model.has_gqa() ? model.gqa().head_dim() : model.mla().v_head_dim());
}

// Of grouped-query attention, beside the stream: queries, and beside them first keys and values,
// then what comes out.
int64_t GqaFloats(const v1::ShardPlan& plan) {
  const int64_t heads = plan.model().num_heads() / plan.layout().tensor_parallel();
  const int64_t kv_heads = RankKvHeads(plan.model(), plan.layout().tensor_parallel());
  return plan.limits().max_batched_tokens() * plan.model().gqa().head_dim() *
         (heads + std::max(heads, 2 * kv_heads));
}

// Of attention, beside the stream.
int64_t AttentionFloats(const v1::ShardPlan& plan) {
  const v1::ModelSpec& model = plan.model();
  if (model.has_gqa()) return GqaFloats(plan);
  const v1::MlaSpec& mla = model.mla();
  const int64_t tokens = plan.limits().max_batched_tokens();
  const int64_t heads = model.num_heads() / plan.layout().tensor_parallel();
  const int64_t query_dim = int64_t{mla.qk_nope_head_dim()} + mla.qk_rope_head_dim();
  const int64_t latent_row = int64_t{mla.kv_lora_rank()} + mla.qk_rope_head_dim();
  const int64_t kv_row = heads * (int64_t{mla.qk_nope_head_dim()} + mla.v_head_dim());
  const int64_t prefill =
      kTileTokens * (latent_row + kv_row) + tokens * heads * (int64_t{mla.v_head_dim()} + 2);
  const int64_t decode = 2 * tokens * heads * mla.kv_lora_rank();
  const int64_t projections =
      std::max(tokens * mla.q_lora_rank() + QuantisedFloats(plan, mla.q_lora_rank()),
               tokens * (latent_row + mla.kv_lora_rank()));
  return tokens * heads * (query_dim + mla.v_head_dim()) + std::max({prefill, decode, projections});
}

// What adding row-parallel sums over the group takes.
int64_t SumFloats(const v1::ShardPlan& plan) {
  const int64_t ranks = plan.layout().tensor_parallel();
  if (ranks == 1) return 0;
  const v1::ModelSpec& model = plan.model();
  const int64_t tokens = plan.limits().max_batched_tokens();
  const int64_t widest = std::max<int64_t>(model.intermediate_size(), AttentionColumns(model));
  const int64_t largest_values = tokens * CeilDiv(widest, kScaleColumns);
  return ReduceScratch(ranks, tokens * model.hidden_size()) + largest_values +
         ReduceScratch(ranks, largest_values);
}

// Model::ArenaBytes.
int64_t ModelArenaBytes(const v1::ShardPlan& plan) {
  const v1::ModelSpec& model = plan.model();
  const int64_t tokens = plan.limits().max_batched_tokens();
  const int64_t hidden = model.hidden_size();
  const bool followed = plan.drafts().method() == v1::DRAFT_METHOD_MTP;
  const int64_t stream =
      followed ? (7 * tokens + 2 * plan.limits().max_running()) * hidden : 3 * tokens * hidden;
  const int64_t dense = tokens * (model.intermediate_size() / plan.layout().tensor_parallel());
  const int64_t router = model.has_moe() ? tokens * int64_t{model.moe().num_routed_experts()} : 0;
  const int64_t routing =
      model.has_moe() ? 2 * tokens * int64_t{model.moe().experts_per_token()} : 0;
  const int64_t output = MostOutputRows(plan.limits()) * 2 * hidden;
  const int64_t widest = std::max({AttentionFloats(plan), dense, router, output});
  constexpr int64_t kRoundingSlack = 64 * kKiB;
  return (stream + routing + QuantisedFloats(plan, hidden) + widest + SumFloats(plan)) * kFloat +
         kRoundingSlack;
}

// Tokens that one rank routes of a step in which its group has `tokens`.
int64_t MostSlice(const v1::ShardPlan& plan, int64_t tokens) {
  return CeilDiv(tokens, plan.layout().tensor_parallel());
}

bool CutsSteps(const v1::StepLimits& limits) {
  return limits.micro_batch_tokens() > 0 &&
         limits.micro_batch_tokens() <= limits.max_batched_tokens();
}

// Of a group, in a step that is not cut into micro-batches or in half of one that is.
int64_t MostMicroBatchTokens(const v1::StepLimits& limits) {
  const int64_t all = limits.max_batched_tokens();
  if (!CutsSteps(limits)) return all;
  return std::max<int64_t>(CeilDiv(all, 2), limits.micro_batch_tokens() - 1);
}

// Rows of a counted exchange in the worst case.
struct CountedRows {
  int64_t slice = 0, sent = 0, received = 0, routed = 0;
};

CountedRows RowsOf(const v1::ShardPlan& plan, const RankShape& rank) {
  const int64_t k = plan.model().moe().experts_per_token();
  const int64_t world = World(plan.layout());
  CountedRows rows{.slice = MostSlice(plan, MostMicroBatchTokens(plan.limits()))};
  rows.sent = rows.slice * std::min(k, world);
  rows.received = rank.local_experts == 0 ? 0 : rows.slice * world;
  rows.routed = rows.received * std::min(k, rank.local_experts);
  return rows;
}

int64_t CountedExchangeBytes(const v1::ShardPlan& plan, const RankShape& rank) {
  const int64_t hidden = plan.model().hidden_size();
  const int64_t k = plan.model().moe().experts_per_token();
  const int64_t act = ActivationElementBytes(rank.backend);
  const int64_t wire = plan.compute() == v1::COMPUTE_MODE_BF16 ? 2 : act;
  const int64_t listed = std::min(k, rank.most_local_experts);
  const CountedRows rows = RowsOf(plan, rank);
  const int64_t row_bytes = RoundUp(hidden * wire, kInt) + listed * kInt;
  const int64_t cast = wire == act ? 0 : std::max(rows.slice, rows.routed) * hidden * 2;
  const int64_t send = std::max(rows.sent * row_bytes, rows.routed * hidden * wire);
  const int64_t receive = std::max(rows.received * row_bytes, rows.slice * k * hidden * wire);
  const int64_t batch = (rows.routed + rows.slice) * hidden * act;
  const int64_t ints = 2 * World(plan.layout()) + rows.sent + 2 * (rank.local_experts + 1) +
                       2 * rows.routed + rows.slice * k;
  const int64_t exchanges = CutsSteps(plan.limits()) ? 2 : 1;
  return exchanges * (cast + send + receive + 2 * batch + ints * kInt);
}

// Of steps that pass no counts through the host.
int64_t FixedExchangeBytes(const v1::ShardPlan& plan, const RankShape& rank) {
  constexpr int64_t kMostReturnedBytes = 16 * kMiB;
  const v1::StepLimits& limits = plan.limits();
  const int64_t hidden = plan.model().hidden_size();
  const int64_t k = plan.model().moe().experts_per_token();
  const int64_t act = ActivationElementBytes(rank.backend);
  const int64_t world = World(plan.layout());
  const int64_t returned_slots = std::min(k, rank.most_local_experts);
  const bool alone = world == 1;
  const int64_t decoded = int64_t{limits.max_running()} * (1 + MostDrafts(plan.drafts()));
  const int64_t slice =
      MostSlice(plan, alone ? limits.max_batched_tokens()
                            : std::min<int64_t>(limits.max_batched_tokens(), decoded));
  const int64_t places =
      alone ? slice : std::min(slice, kMostReturnedBytes / (world * returned_slots * hidden * act));
  const int64_t rows = places + world * places * std::min(k, rank.local_experts);
  const int64_t shown = RoundUp(RoundUp(hidden * act, kInt) + k * kInt, 16);
  const int64_t returned = alone ? 0 : world * places * returned_slots;
  return (alone ? 0 : world * places * shown) + 2 * rows * hidden * act +
         (rank.local_experts + 1) * 2 * kInt + rows * kInt + returned * kInt +
         2 * returned * hidden * act + places * k * kInt;
}

// Where experts are, and what they computed.
int64_t ExpertTableBytes(const v1::ShardPlan& plan, const RankShape& rank) {
  return (2 * int64_t{plan.model().moe().num_routed_experts()} + rank.local_experts) * kInt;
}

// Whether decode steps pass no counts through the host: rows travel as they are computed.
bool HasFixedExchange(const RankShape& rank) { return rank.backend == BackendKind::kCuda; }

// Rows that the experts of a rank compute at once, in the worst case.
int64_t MostExpertRows(const v1::ShardPlan& plan, const RankShape& rank) {
  if (!plan.model().has_moe()) return 0;
  const CountedRows rows = RowsOf(plan, rank);
  return rows.routed + rows.slice;
}

}  // namespace

int64_t ArenaBytes(const v1::ShardPlan& plan, const RankShape& rank) {
  const bool drafts = MostDrafts(plan.drafts()) > 0;
  const int64_t output_rows = MostOutputRows(plan.limits());
  const int64_t sampled = drafts ? output_rows : plan.limits().max_running();
  return ModelArenaBytes(plan) + RoundUp((output_rows + sampled) * rank.vocab_rows * kFloat, 64);
}

int64_t GatherBytes(const v1::ShardPlan& plan) {
  constexpr int64_t kSearchBytes = 256 * 8;  // of a histogram
  constexpr int64_t kMassBytes = 16;
  const int64_t ranks = plan.layout().tensor_parallel();
  if (ranks == 1) return 0;
  const int64_t rows = 2 * MostOutputRows(plan.limits());
  const int64_t searches = std::clamp<int64_t>(rows / 4, 16, 256);
  return std::max(searches * kSearchBytes, rows * kMassBytes) * (ranks + 1);
}

int64_t ExchangeBytes(const v1::ShardPlan& plan, const RankShape& rank) {
  if (!plan.model().has_moe()) return 0;
  const bool alone = World(plan.layout()) == 1;
  const int64_t tables = ExpertTableBytes(plan, rank);
  if (!HasFixedExchange(rank)) return tables + CountedExchangeBytes(plan, rank);
  return tables + FixedExchangeBytes(plan, rank) + (alone ? 0 : CountedExchangeBytes(plan, rank));
}

int64_t WorkingBytes(const v1::ShardPlan& plan, const RankShape& rank) {
  const v1::ModelSpec& model = plan.model();
  const int64_t ranks = plan.layout().tensor_parallel();
  const int64_t tokens = plan.limits().max_batched_tokens();
  const int64_t hidden = model.hidden_size();
  const int64_t out = AttentionColumns(model) / ranks;
  const int64_t expert_width = model.has_moe() ? int64_t{model.moe().intermediate_size()} *
                                                     std::max(1, model.moe().num_shared_experts())
                                               : 0;
  const int64_t rows = MostExpertRows(plan, rank);
  const int64_t widest_dense = std::max({hidden, out, int64_t{model.intermediate_size()} / ranks});
  const int64_t inputs = std::max(tokens * widest_dense, rows * std::max(hidden, expert_width));
  const int64_t between = rows * expert_width;
  if (rank.backend == BackendKind::kCpu) {
    // Inputs as words of a product, rows between the halves of an MLP; pieces of a thread are
    // small.
    const int64_t word = plan.compute() == v1::COMPUTE_MODE_BF16 ? 2 : 4;
    return inputs * word + between * kFloat;
  }
  constexpr int64_t kSums = 64 * kMiB;       // unfinished sums of products
  constexpr int64_t kPartials = 256 * kMiB;  // unfinished softmaxes, at most
  const bool e4m3 = Quantises(plan) && model.has_fp8();
  const int64_t element = e4m3 ? 1 : 2;
  const int64_t scales = e4m3 ? (inputs + between) / kScaleColumns * kFloat : 0;
  return inputs * element + between * (2 + (e4m3 ? 1 : 0)) + scales + kSums + kPartials;
}

}  // namespace switchyard::core
