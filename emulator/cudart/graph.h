// A graph as the program builds it, by capture or node by node: nodes with work, and who follows
// whom. It runs only after instantiation (graph_plan.h).
//
// Owner: Runtime, or the node of a parent graph. Thread: under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_GRAPH_H_
#define SWITCHYARD_EMULATOR_CUDART_GRAPH_H_

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/cudart/work.h"

namespace emu {

struct UserObject;

struct GraphNode {
  Graph* graph = nullptr;
  size_t serial = 0;  // in the order of creation; an edge leads to a later or an earlier one
  Work work;
  std::vector<GraphNode*> after;
  const GraphNode* copied_from = nullptr;  // of a clone
};

struct Graph {
  std::vector<std::unique_ptr<GraphNode>> nodes;  // in the order of creation
  size_t next_serial = 0;
  std::vector<std::shared_ptr<UserObject>> user_objects;  // one entry per reference

  GraphNode* Add(Work work, std::vector<GraphNode*> after);
  // Also forgets edges to and from it.
  void Remove(const GraphNode* node);
  bool Owns(const GraphNode* node) const;
  std::vector<GraphNode*> Followers(const GraphNode* node) const;
  // Nodes so that each comes behind all that it follows; among equals the older first. Empty and
  // false: the edges run in a circle.
  bool Sort(std::vector<const GraphNode*>* sorted) const;
  // A copy with copies of all child graphs; `copies`: each node's copy, may be null.
  std::shared_ptr<Graph> Clone(
      std::unordered_map<const GraphNode*, GraphNode*>* copies = nullptr) const;
  // In the language of Graphviz.
  std::string ToDot() const;
};

// A reference-counted object of the program that graphs may hold on to (cudaUserObjectCreate).
struct UserObject {
  void* pointer = nullptr;
  cudaHostFn_t destroy = nullptr;
  ~UserObject() { destroy(pointer); }
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_GRAPH_H_
