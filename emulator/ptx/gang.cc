#include "emulator/ptx/gang.h"

#include <algorithm>
#include <utility>

namespace emu {
namespace {

constexpr uint32_t kLongTurn = 1 << 16;  // instructions
constexpr uint32_t kShortTurn = 64;      // at most, in random order
constexpr size_t kMaxReportedWarps = 128;

uint64_t ClustersPerGang(const LaunchContext& launch) {
  const LaunchConfig& config = *launch.config;
  return config.cooperative ? config.grid.Count() / config.cluster.Count() : 1;
}

// The block at `rank` of cluster number `index`, as a linear index in the grid.
uint64_t BlockIndex(const LaunchConfig& config, uint64_t index, uint32_t rank) {
  const Dim3& grid = config.grid;
  const Dim3& cluster = config.cluster;
  const uint64_t columns = grid.x / cluster.x, rows = grid.y / cluster.y;
  const uint64_t x = index % columns * cluster.x + rank % cluster.x;
  const uint64_t y = index / columns % rows * cluster.y + rank / cluster.x % cluster.y;
  const uint64_t z = index / columns / rows * cluster.z + rank / cluster.x / cluster.y;
  return x + grid.x * (y + grid.y * z);
}

}  // namespace

uint64_t Gang::Count(const LaunchContext& launch) {
  return launch.config->grid.Count() / launch.config->cluster.Count() / ClustersPerGang(launch);
}

Gang::Gang(const LaunchContext& launch)
    : launch_(&launch),
      random_(launch.options->schedule == Schedule::kRandom),
      state_(launch.options->async, launch.options->seed) {
  const uint64_t size = launch.config->cluster.Count();
  clusters_.resize(ClustersPerGang(launch));
  for (Cluster& cluster : clusters_) {
    for (uint64_t rank = 0; rank < size; ++rank) {
      blocks_.push_back(std::make_unique<Block>(launch, state_));
      cluster.blocks.push_back(blocks_.back().get());
    }
  }
  for (auto& block : blocks_) {
    for (Warp& warp : block->warps()) order_.push_back(&warp);
  }
}

void Gang::Start(uint64_t index) {
  state_.random = Random(launch_->options->seed ^ (index + 1) * 0x2545f4914f6cdd1dULL);
  state_.progress = 0;
  steps_ = 0;
  for (size_t i = 0; i < clusters_.size(); ++i) {
    Cluster& cluster = clusters_[i];
    cluster.barrier.Reset();
    for (uint32_t rank = 0; rank < cluster.blocks.size(); ++rank) {
      cluster.blocks[rank]->Start(BlockIndex(*launch_->config, index * clusters_.size() + i, rank),
                                  &cluster, rank);
    }
  }
}

Gang::State Gang::Round(std::vector<Observer::OpCount>* counts) {
  Random& random = state_.random;
  if (random_) {
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random.Below(i)]);
  }
  Observer::OpCount* const table = counts == nullptr ? nullptr : counts->data();
  for (Warp* warp : order_) {
    if (!warp->runnable()) continue;
    RunWarp(*warp, table);
  }
  state_.async.Tick();
  if (state_.async.mode() == AsyncCompletion::kRandom) {
    for (auto& block : blocks_) {
      for (auto& warpgroup : block->warpgroups()) {
        if (random.Below(2) == 0) warpgroup->RunOneReady();
      }
    }
  }
  return Judge();
}

void Gang::RunWarp(Warp& warp, Observer::OpCount* counts) {
  uint64_t turn = random_ ? 1 + state_.random.Below(kShortTurn) : kLongTurn;
  const uint64_t limit = launch_->options->step_limit;
  if (limit != 0) turn = std::min(turn, limit - steps_ + 1);
  steps_ += warp.Run(static_cast<uint32_t>(turn), counts);
  if (limit != 0 && steps_ > limit) {
    throw Fault(FaultKind::kDeadlock, "more than " + std::to_string(limit) +
                                          " instructions (step_limit):" + DescribeWaiting());
  }
}

Gang::State Gang::Judge() {
  bool live = false, stalled = true, global = false;
  for (const Warp* warp : order_) {
    if (warp->live() == 0) continue;
    live = true;
    stalled &= !warp->runnable() || warp->Stalled();
    global |= warp->runnable() && warp->poll() == PollKind::kGlobal;
  }
  if (!live) {
    End();
    return State::kEnded;
  }
  if (!stalled) return State::kRunning;
  if (state_.async.PerformOne()) {
    ++state_.progress;
    return State::kRunning;
  }
  return global ? State::kPolling : State::kDeadlock;
}

void Gang::End() {
  state_.async.PerformAll();
  if (launch_->observer == nullptr) return;
  for (auto& block : blocks_) launch_->observer->OnBlockEnd(*block);
}

std::string Gang::DescribeWaiting() const {
  std::string result;
  size_t reported = 0;
  for (const auto& block : blocks_) {
    for (const Warp& warp : block->warps()) {
      if (warp.live() == 0) continue;
      if (++reported > kMaxReportedWarps) return result + "\n  and more";
      result += warp.DescribeWaiting();
    }
  }
  return result;
}

}  // namespace emu
