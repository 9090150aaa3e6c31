#include "coordinator/core/plan/kv_kinds.h"

#include <algorithm>
#include <limits>

#include "base/units.h"
#include "coordinator/core/plan/model_memory.h"

namespace switchyard::core {
namespace {

// The largest window of a layer; 0: no layer has one.
int32_t LargestWindow(const v1::ModelSpec& model) {
  const auto& windows = model.gqa().windows();
  return windows.empty() ? 0 : *std::max_element(windows.begin(), windows.end());
}

// The most blocks that running sequences see or write at a time: of each what is in its window, and
// what drafts of two plans under way and those behind them may fill; of all the tokens of a step.
// 0 where no layer has a window of its own.
int64_t MostSeen(const v1::ShardPlan& plan) {
  const int64_t window = LargestWindow(plan.model());
  // A block that drafts has a cache, too, which is of no kind here.
  if (window == 0 || plan.drafts().method() == v1::DRAFT_METHOD_MTP) return 0;
  const int64_t block = plan.kv().block_tokens();
  const int64_t drafts = 4 * std::max(plan.drafts().max_tokens(), plan.drafts().max_forced());
  // Neighbouring tokens lie in at most two blocks more than they would fill.
  return plan.limits().max_running() * (CeilDiv(window - 1 + drafts, block) + 2) +
         CeilDiv(int64_t{plan.limits().max_batched_tokens()}, block);
}

// With layers that have a window apart from the others.
KvTokenBytes SplitTokenBytes(const v1::ShardPlan& plan, BackendKind backend) {
  const auto& windows = plan.model().gqa().windows();
  const auto num_windowed =
      std::count_if(windows.begin(), windows.end(), [](int32_t window) { return window > 0; });
  const int64_t all = KvBytesPerToken(plan, backend);
  const int64_t windowed = all / plan.model().num_layers() * num_windowed;
  return {.others = all - windowed, .windowed = windowed};
}

}  // namespace

void SetKvKinds(v1::ShardPlan* plan) {
  v1::KvPlan* kv = plan->mutable_kv();
  kv->clear_num_window_blocks();
  kv->clear_window();
  const int64_t most = MostSeen(*plan);
  if (most == 0 || most >= kv->num_blocks()) return;
  kv->set_num_window_blocks(static_cast<int32_t>(most));
  kv->set_window(LargestWindow(plan->model()));
}

KvTokenBytes KvTokenBytesOf(const v1::ShardPlan& plan, BackendKind backend) {
  if (plan.kv().num_window_blocks() > 0) return SplitTokenBytes(plan, backend);
  return {.others = KvBytesPerToken(plan, backend), .windowed = 0};
}

int64_t KvBytes(const v1::ShardPlan& plan, BackendKind backend) {
  const v1::KvPlan& kv = plan.kv();
  const KvTokenBytes token = KvTokenBytesOf(plan, backend);
  return kv.block_tokens() *
         (kv.num_blocks() * token.others + kv.num_window_blocks() * token.windowed);
}

int64_t KvBytesOf(const v1::ShardPlan& plan, int64_t num_blocks, BackendKind backend) {
  const int64_t most = MostSeen(plan);
  const int64_t block = plan.kv().block_tokens();
  if (most == 0 || most >= num_blocks) return num_blocks * block * KvBytesPerToken(plan, backend);
  const KvTokenBytes token = SplitTokenBytes(plan, backend);
  return block * (num_blocks * token.others + most * token.windowed);
}

int64_t KvBlocksIn(const v1::ShardPlan& plan, int64_t bytes, BackendKind backend) {
  const int64_t block = plan.kv().block_tokens();
  const int64_t alike = bytes / (block * KvBytesPerToken(plan, backend));
  const int64_t most = MostSeen(plan);
  if (most == 0 || alike <= most) return alike;
  const KvTokenBytes token = SplitTokenBytes(plan, backend);
  if (token.others == 0) return std::numeric_limits<int64_t>::max();
  return (bytes / block - most * token.windowed) / token.others;
}

}  // namespace switchyard::core
