#include "emulator/cudart/graph_plan.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace emu {
namespace {

// Appends the graph's nodes. `entry`: what its roots follow; `exits`: the places of its last nodes.
bool Flatten(const Graph& graph, const std::vector<size_t>& entry, GraphPlan* plan,
             std::vector<size_t>* exits) {
  std::vector<const GraphNode*> sorted;
  if (!graph.Sort(&sorted)) return false;
  std::unordered_map<const GraphNode*, std::vector<size_t>> ends;
  std::unordered_map<const GraphNode*, bool> followed;
  for (const GraphNode* node : sorted) {
    std::vector<size_t> after = node->after.empty() ? entry : std::vector<size_t>();
    for (const GraphNode* before : node->after) {
      followed[before] = true;
      after.insert(after.end(), ends[before].begin(), ends[before].end());
    }
    std::sort(after.begin(), after.end());
    // A child graph is its own nodes behind an empty one, which is what carries its identity.
    const auto* child = std::get_if<ChildWork>(&node->work);
    plan->nodes.push_back({.work = child != nullptr ? Work(EmptyWork()) : node->work,
                           .after = std::move(after),
                           .source = node});
    ends[node] = {plan->nodes.size() - 1};
    if (child == nullptr) continue;
    std::vector<size_t> child_exits;
    if (!Flatten(*child->graph, ends[node], plan, &child_exits)) return false;
    if (!child_exits.empty()) ends[node] = std::move(child_exits);
  }
  for (const GraphNode* node : sorted) {
    if (!followed[node]) exits->insert(exits->end(), ends[node].begin(), ends[node].end());
  }
  return true;
}

// One run of a plan: which nodes are ready, which are under way.
class PlanRun {
 public:
  PlanRun(const GraphPlan& plan, std::optional<uint64_t> seed)
      : plan_(plan), missing_(plan.nodes.size()), followers_(plan.nodes.size()) {
    if (seed) random_.emplace(static_cast<std::minstd_rand::result_type>(*seed));
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      missing_[i] = plan.nodes[i].after.size();
      for (const size_t before : plan.nodes[i].after) followers_[before].push_back(i);
      if (missing_[i] == 0) ready_.push_back(i);
    }
  }

  cudaError_t Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    size_t left = plan_.nodes.size();
    while (left > 0 && error_ == cudaSuccess) {
      if (ready_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const size_t node = TakeReady();
      --left;
      // Alone, it may as well block this thread.
      const bool alone = ready_.empty() && threads_.size() == num_ended_;
      if (MayBlock(plan_.nodes[node].work) && !alone) {
        threads_.emplace_back([this, node] { RunOnThread(node); });
      } else {
        RunNode(lock, node);
      }
    }
    lock.unlock();
    for (std::thread& thread : threads_) thread.join();
    return error_;
  }

 private:
  size_t TakeReady() {
    const auto place = random_
                           ? ready_.begin() + static_cast<ptrdiff_t>((*random_)() % ready_.size())
                           : std::min_element(ready_.begin(), ready_.end());
    const size_t node = *place;
    ready_.erase(place);
    return node;
  }

  void RunOnThread(size_t node) {
    std::unique_lock<std::mutex> lock(mutex_);
    RunNode(lock, node);
    ++num_ended_;
    changed_.notify_all();
  }

  void RunNode(std::unique_lock<std::mutex>& lock, size_t node) {
    lock.unlock();
    const PlanNode& planned = plan_.nodes[node];
    const cudaError_t error = planned.enabled ? RunWork(planned.work) : cudaSuccess;
    lock.lock();
    if (error_ == cudaSuccess) error_ = error;
    for (const size_t follower : followers_[node]) {
      if (--missing_[follower] == 0) ready_.push_back(follower);
    }
  }

  const GraphPlan& plan_;
  std::vector<size_t> missing_;  // unfinished nodes before it
  std::vector<std::vector<size_t>> followers_;
  std::optional<std::minstd_rand> random_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<size_t> ready_;
  std::vector<std::thread> threads_;
  size_t num_ended_ = 0;  // of threads_
  cudaError_t error_ = cudaSuccess;
};

}  // namespace

std::shared_ptr<GraphPlan> GraphPlan::Make(const Graph& graph) {
  auto plan = std::make_shared<GraphPlan>();
  std::vector<size_t> exits;
  return Flatten(graph, {}, plan.get(), &exits) ? plan : nullptr;
}

bool GraphPlan::may_block() const {
  return std::any_of(nodes.begin(), nodes.end(),
                     [](const PlanNode& node) { return node.enabled && MayBlock(node.work); });
}

PlanNode* GraphPlan::Find(const GraphNode* source) {
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const PlanNode& node) { return node.source == source; });
  return found == nodes.end() ? nullptr : &*found;
}

cudaError_t GraphPlan::Run(std::optional<uint64_t> seed) const {
  return PlanRun(*this, seed).Run();
}

}  // namespace emu
