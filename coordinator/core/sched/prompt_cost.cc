#include "coordinator/core/sched/prompt_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace switchyard::core {
namespace {

// What a chunk does for each key before it, in rows that read one: it lays out keys for its
// products, but those of a prompt in progress that are kept as products read them.
constexpr double kLayingOut = 8;
constexpr double kFetching = 1;

// Multiplications of one token in the attention of one layer, but for those with keys.
double AttentionPerToken(const v1::ModelSpec& model) {
  const double hidden = model.hidden_size();
  const double heads = model.num_heads();
  if (model.has_gqa()) {
    return hidden * 2 * (heads + model.gqa().num_kv_heads()) * model.gqa().head_dim();
  }
  const v1::MlaSpec& mla = model.mla();
  const double query = heads * (mla.qk_nope_head_dim() + mla.qk_rope_head_dim());
  const double query_latent = mla.q_lora_rank();
  return (query_latent > 0 ? query_latent * (hidden + query) : hidden * query) +
         hidden * (mla.kv_lora_rank() + mla.qk_rope_head_dim()) +
         heads * (mla.qk_nope_head_dim() + mla.v_head_dim()) * mla.kv_lora_rank() +
         hidden * heads * mla.v_head_dim();
}

// Multiplications of one token, but for those with keys. What is the same for all models within
// some percent (norms, gates, the head of the last token alone) is left out.
double MultipliesPerToken(const v1::ModelSpec& model) {
  const double hidden = model.hidden_size();
  const double dense = 3 * hidden * model.intermediate_size();
  const int32_t num_dense = model.has_moe()
                                ? std::min(model.moe().first_moe_layer(), model.num_layers())
                                : model.num_layers();
  const double experts =
      model.has_moe() ? 3 * hidden * model.moe().intermediate_size() *
                            (model.moe().experts_per_token() + model.moe().num_shared_experts())
                      : 0;
  return model.num_layers() * AttentionPerToken(model) + num_dense * dense +
         (model.num_layers() - num_dense) * experts;
}

}  // namespace

PromptCost::PromptCost(const v1::ShardPlan& plan) : expanded_tokens_(plan.kv().expanded_tokens()) {
  const v1::ModelSpec& model = plan.model();
  const v1::MlaSpec& mla = model.mla();
  const double per_token = MultipliesPerToken(model);
  if (per_token <= 0) return;
  const double per_head_and_key = mla.qk_nope_head_dim() + mla.qk_rope_head_dim() +
                                  mla.v_head_dim() + 2.0 * model.gqa().head_dim();
  const double heads_in_all = double(model.num_layers()) * model.num_heads();
  per_key_ = heads_in_all * per_head_and_key / per_token;
  per_key_expanded_ =
      heads_in_all * (mla.qk_nope_head_dim() + mla.v_head_dim()) * mla.kv_lora_rank() / per_token;
}

double PromptCost::OfReading(int32_t begin) const {
  const int32_t anew = std::max(begin - expanded_tokens_, 0);
  return (begin - anew) * kFetching * per_key_ + anew * (kLayingOut * per_key_ + per_key_expanded_);
}

double PromptCost::Of(int32_t begin, int32_t count) const {
  if (count <= 0) return 0;
  const double n = count;
  return OfReading(begin) + n * (1 + per_key_ * (begin + n / 2));
}

// The cost is OfReading(begin) + a n + b n^2.
int32_t PromptCost::Fit(int32_t begin, int32_t wanted, double units) const {
  if (Of(begin, wanted) <= units) return std::max(wanted, 0);
  const double left = units - OfReading(begin);
  if (left <= 0) return 0;
  const double a = 1 + per_key_ * begin;
  const double b = per_key_ / 2;
  const double n = b == 0 ? left / a : (std::sqrt(a * a + 4 * b * left) - a) / (2 * b);
  return static_cast<int32_t>(std::min<double>(n, wanted));
}

int32_t PromptCost::LeastFrom(int32_t begin) const {
  const double least = std::ceil(OfReading(begin) / (1 + per_key_ * begin));
  return static_cast<int32_t>(std::clamp<double>(least, 1, std::numeric_limits<int32_t>::max()));
}

}  // namespace switchyard::core
