#include "worker/sample/grammar_stacks.h"

#include <algorithm>

namespace switchyard::worker {

constexpr size_t kFirstBuckets = 16;

size_t GrammarStacks::BucketOf(const GrammarNode& node) const {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  uint64_t hash = (uint64_t{node.state} << 32 | node.count) * kOdd;
  hash = (hash ^ hash >> 32 ^ node.below) * kOdd;
  return (hash >> 32) & (newest_.size() - 1);
}

uint32_t GrammarStacks::Push(const GrammarNode& node) {
  if (nodes_.size() >= newest_.size()) Grow();
  uint32_t& newest = newest_[BucketOf(node)];
  for (uint32_t n = newest; n != GrammarNode::kBottom; n = nodes_[n].next) {
    if (nodes_[n].node == node) return n;
  }
  const bool is_lowest = node.below == GrammarNode::kBottom;
  nodes_.push_back({.node = node,
                    .bottom_count = is_lowest ? node.count : bottom_count(node.below),
                    .next = newest});
  newest = static_cast<uint32_t>(nodes_.size() - 1);
  return newest;
}

// The last node is the newest of its bucket.
void GrammarStacks::Truncate(size_t size) {
  for (; nodes_.size() > size; nodes_.pop_back()) {
    newest_[BucketOf(nodes_.back().node)] = nodes_.back().next;
  }
}

void GrammarStacks::Grow() {
  newest_.assign(std::max(kFirstBuckets, 2 * newest_.size()), GrammarNode::kBottom);
  for (size_t n = 0; n < nodes_.size(); ++n) {
    uint32_t& newest = newest_[BucketOf(nodes_[n].node)];
    nodes_[n].next = newest;
    newest = static_cast<uint32_t>(n);
  }
}

}  // namespace switchyard::worker
