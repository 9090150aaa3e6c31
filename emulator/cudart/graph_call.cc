#include "emulator/cudart/graph_call.h"

#include <algorithm>

namespace emu {
namespace {

// The graph itself, or a child graph at any depth, that `is_wanted` accepts.
template <typename Predicate>
std::shared_ptr<Graph> Search(const std::shared_ptr<Graph>& graph, const Predicate& is_wanted) {
  if (is_wanted(*graph)) return graph;
  for (const auto& node : graph->nodes) {
    const auto* child = std::get_if<ChildWork>(&node->work);
    if (child == nullptr) continue;
    if (auto found = Search(child->graph, is_wanted)) return found;
  }
  return nullptr;
}

template <typename Predicate>
std::shared_ptr<Graph> SearchAll(Runtime& runtime, const Predicate& is_wanted) {
  for (const auto& [handle, graph] : runtime.graphs) {
    if (auto found = Search(graph, is_wanted)) return found;
  }
  for (const auto& capture : runtime.captures) {
    if (auto found = Search(capture->graph, is_wanted)) return found;
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<Graph> FindGraph(Runtime& runtime, cudaGraph_t handle) {
  const auto found = runtime.graphs.find(handle);
  if (found != runtime.graphs.end()) return found->second;
  const void* wanted = handle;
  return SearchAll(runtime, [wanted](const Graph& graph) { return &graph == wanted; });
}

GraphNode* FindNode(Runtime& runtime, cudaGraphNode_t handle) {
  auto* node = reinterpret_cast<GraphNode*>(handle);
  if (node == nullptr) return nullptr;
  const auto owner = SearchAll(runtime, [node](const Graph& graph) { return graph.Owns(node); });
  return owner == nullptr ? nullptr : node;
}

cudaError_t TakeNodes(const Graph& graph, const cudaGraphNode_t* handles, size_t count,
                      std::vector<GraphNode*>* nodes) {
  if (count > 0 && handles == nullptr) return cudaErrorInvalidValue;
  for (size_t i = 0; i < count; ++i) {
    auto* node = reinterpret_cast<GraphNode*>(handles[i]);
    if (!graph.Owns(node)) return cudaErrorInvalidValue;
    nodes->push_back(node);
  }
  return cudaSuccess;
}

void GiveNodes(const std::vector<GraphNode*>& nodes, cudaGraphNode_t* out, size_t* count) {
  if (out == nullptr) {
    *count = nodes.size();
    return;
  }
  for (size_t i = 0; i < *count; ++i) out[i] = i < nodes.size() ? HandleOf(nodes[i]) : nullptr;
  *count = std::min(*count, nodes.size());
}

}  // namespace emu
