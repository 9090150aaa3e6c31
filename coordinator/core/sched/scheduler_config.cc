#include "coordinator/core/sched/scheduler_config.h"

#include <algorithm>
#include <string_view>

#include "base/field_error.h"

namespace switchyard::core {
namespace {

absl::Status CheckFull(const v1::SamplingParams& sampling, const SchedulerConfig& config) {
  if (config.max_full_logprobs > 0) return absl::OkStatus();
  const auto refused = [&](std::string_view field) {
    return AboutField(absl::InvalidArgumentError(fmt::format(
                          "log probabilities of a vocabulary of {} tokens are more than a step "
                          "reports; ask for those of the likeliest",
                          config.vocab_size)),
                      field);
  };
  if (sampling.top_logprobs() == kFullVocabulary) return refused("logprobs");
  if (sampling.prompt_logprobs() == kFullVocabulary) return refused("prompt_logprobs");
  return absl::OkStatus();
}

}  // namespace

SchedulerConfig SchedulerConfig::FromPlan(const v1::ShardPlan& plan, const Limits& limits) {
  return {.epoch = plan.epoch(),
          .placement_version = plan.placement().version(),
          .num_groups = plan.layout().data_parallel(),
          .max_batched_tokens = plan.limits().max_batched_tokens(),
          .max_running = plan.limits().max_running(),
          .max_prompt_chunk = limits.max_prompt_chunk,
          .max_stretch = limits.max_stretch,
          .max_waiting = limits.max_waiting,
          .max_under_way = limits.max_under_way,
          .num_blocks = plan.kv().num_blocks(),
          .block_tokens = plan.kv().block_tokens(),
          .windows = {.num_blocks = plan.kv().num_window_blocks(), .window = plan.kv().window()},
          .max_context = plan.model().max_position_embeddings(),
          .vocab_size = plan.model().vocab_size(),
          .prefix_cache = limits.prefix_cache,
          .max_drafts = plan.drafts().max_tokens(),
          .max_forced = plan.drafts().max_forced(),
          .drafts_from_history = plan.drafts().method() == v1::DRAFT_METHOD_NGRAM,
          .max_full_logprobs = plan.limits().max_full_logprobs(),
          .prompt_cost = PromptCost(plan)};
}

absl::Status SchedulerConfig::CheckFits(const NewRequest& request) const {
  const int64_t prompt_length = std::ssize(request.prompt_tokens);
  if (prompt_length >= max_context) {
    return AboutField(
        absl::InvalidArgumentError(
            fmt::format("the prompt has {} tokens, the model's context is {} for prompt and answer",
                        prompt_length, max_context)),
        "prompt");
  }
  for (const int32_t token : request.prompt_tokens) {
    if (token < 0 || token >= vocab_size) {
      return AboutField(absl::InvalidArgumentError(fmt::format(
                            "prompt token {} is outside the vocabulary of {}", token, vocab_size)),
                        "prompt");
    }
  }
  SY_RETURN_IF_ERROR(CheckFull(request.sampling, *this));
  const int64_t max_generated = std::min<int64_t>(request.max_tokens, max_context - prompt_length);
  const int64_t pool_tokens = int64_t{num_blocks} * block_tokens;
  if (prompt_length + max_generated - 1 > pool_tokens) {
    return AboutField(
        absl::InvalidArgumentError(
            fmt::format("{} prompt tokens and max_tokens = {} do not fit the KV cache of {} tokens",
                        prompt_length, max_generated, pool_tokens)),
        "max_tokens");
  }
  return absl::OkStatus();
}

}  // namespace switchyard::core
