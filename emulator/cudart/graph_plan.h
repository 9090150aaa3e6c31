// An instantiated graph: all nodes of a graph and its child graphs in one list, each behind what it
// follows. Launches share the plan that was current when they were queued; an update makes another.
//
// Owner: GraphExec and queued launches. Immutable once launched. Thread: Run on any, without
// Runtime::mutex; the rest under it.
#ifndef SWITCHYARD_EMULATOR_CUDART_GRAPH_PLAN_H_
#define SWITCHYARD_EMULATOR_CUDART_GRAPH_PLAN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/cudart/graph.h"

namespace emu {

struct PlanNode {
  Work work;
  std::vector<size_t> after;          // places in the list, all smaller than its own
  const GraphNode* source = nullptr;  // the node it was made from; an identity, never followed
  bool enabled = true;
};

struct GraphPlan {
  std::vector<PlanNode> nodes;

  // Null: the edges run in a circle.
  static std::shared_ptr<GraphPlan> Make(const Graph& graph);
  bool may_block() const;
  // Null: no such node.
  PlanNode* Find(const GraphNode* source);
  // Runs every node once, in an order that the edges permit: that of the list, or a random one.
  // Nodes that may block run on threads of their own as soon as they are ready, beside the rest.
  cudaError_t Run(std::optional<uint64_t> seed) const;
};

// What cudaGraphExec_t points to.
struct GraphExec {
  std::shared_ptr<const GraphPlan> plan;
  std::vector<std::shared_ptr<UserObject>> user_objects;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_GRAPH_PLAN_H_
