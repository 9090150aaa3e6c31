// What the ways through a grammar remember: the states that they return to.
#ifndef SWITCHYARD_WORKER_SAMPLE_GRAMMAR_STACKS_H_
#define SWITCHYARD_WORKER_SAMPLE_GRAMMAR_STACKS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace switchyard::worker {

// A state to return to, and those below it.
struct GrammarNode {
  // Below the last state that is remembered.
  static constexpr uint32_t kBottom = std::numeric_limits<uint32_t>::max();

  uint32_t state = 0;
  uint32_t count = 0;  // rounds begun, of a loop's state; else 0
  uint32_t below = kBottom;

  friend bool operator==(const GrammarNode&, const GrammarNode&) = default;
};

// Nodes by number, each with what it holds there once: two stacks are equal exactly when their
// numbers are. A node names only nodes before it and never changes. A value; not for several
// threads.
class GrammarStacks {
 public:
  size_t size() const { return nodes_.size(); }
  const GrammarNode& operator[](uint32_t n) const { return nodes_[n].node; }

  // The count of the lowest node of stack `n`.
  uint32_t bottom_count(uint32_t n) const { return nodes_[n].bottom_count; }

  // The number of `node`, which is new if there was none like it. REQUIRES: node.below is kBottom
  // or a number given before.
  uint32_t Push(const GrammarNode& node);

  // Forgets the nodes from `size` on. REQUIRES: size <= size().
  void Truncate(size_t size);

 private:
  struct Entry {
    GrammarNode node;
    uint32_t bottom_count = 0;
    uint32_t next = GrammarNode::kBottom;  // of the same bucket, an older one
  };

  size_t BucketOf(const GrammarNode& node) const;
  void Grow();

  std::vector<Entry> nodes_;
  std::vector<uint32_t> newest_;  // by bucket: a power of two of them, or none
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_GRAMMAR_STACKS_H_
