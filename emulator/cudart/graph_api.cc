// The C interface: building graphs, their edges, and questions about them.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include "emulator/cudart/graph_call.h"

namespace emu {
namespace {

// Edges of two arrays, which must be of `graph`.
cudaError_t TakeEdges(const Graph& graph, const cudaGraphNode_t* from, const cudaGraphNode_t* to,
                      size_t count, std::vector<GraphNode*>* sources,
                      std::vector<GraphNode*>* targets) {
  const cudaError_t error = TakeNodes(graph, from, count, sources);
  return error != cudaSuccess ? error : TakeNodes(graph, to, count, targets);
}

void GiveEdgeData(cudaGraphEdgeData* edges, const size_t* count, bool is_query) {
  if (edges == nullptr || is_query) return;
  std::fill(edges, edges + *count, cudaGraphEdgeData{});
}

cudaError_t GetEdges(const Graph& graph, cudaGraphNode_t* from, cudaGraphNode_t* to,
                     size_t* count) {
  size_t found = 0;
  for (const auto& node : graph.nodes) {
    for (GraphNode* before : node->after) {
      if (from != nullptr && to != nullptr && found < *count) {
        from[found] = HandleOf(before);
        to[found] = HandleOf(node.get());
      }
      ++found;
    }
  }
  *count = from == nullptr || to == nullptr ? found : std::min(found, *count);
  return cudaSuccess;
}

GraphNode* FindCopy(const Graph& clone, const GraphNode* original) {
  for (const auto& node : clone.nodes) {
    if (node->copied_from == original) return node.get();
    const auto* child = std::get_if<ChildWork>(&node->work);
    if (child == nullptr) continue;
    if (GraphNode* inside = FindCopy(*child->graph, original)) return inside;
  }
  return nullptr;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaGraphCreate(cudaGraph_t* out, unsigned flags) {
  if (out == nullptr || flags != 0) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) {
    auto graph = std::make_shared<emu::Graph>();
    *out = emu::HandleOf(graph);
    runtime.graphs[graph.get()] = std::move(graph);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t handle) {
  std::shared_ptr<emu::Graph> dying;  // may run the program's destructors: not under the lock
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    const auto found = runtime.graphs.find(handle);
    if (found == runtime.graphs.end()) return cudaErrorInvalidValue;
    dying = std::move(found->second);
    runtime.graphs.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphClone(cudaGraph_t* out, cudaGraph_t original) {
  if (out == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::GraphCall(original, [&](emu::Runtime& runtime, const auto& graph, emu::Lock&) {
    auto clone = graph->Clone();
    *out = emu::HandleOf(clone);
    runtime.graphs[clone.get()] = std::move(clone);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphNodeFindInClone(cudaGraphNode_t* out, cudaGraphNode_t original,
                                     cudaGraph_t clone) {
  if (out == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::GraphCall(clone, [&](emu::Runtime&, const auto& graph, emu::Lock&) -> cudaError_t {
    emu::GraphNode* found =
        emu::FindCopy(*graph, reinterpret_cast<const emu::GraphNode*>(original));
    if (found == nullptr) return cudaErrorInvalidValue;
    *out = emu::HandleOf(found);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t handle, cudaGraphNodeType* type) {
  if (type == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeCall(handle, [&](emu::Runtime&, const emu::GraphNode& node) {
    *type = emu::NodeTypeOf(node.work);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t* nodes, size_t* count) {
  if (count == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::GraphCall(handle, [&](emu::Runtime&, const auto& graph, emu::Lock&) {
    std::vector<emu::GraphNode*> all;
    for (const auto& node : graph->nodes) all.push_back(node.get());
    emu::GiveNodes(all, nodes, count);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetRootNodes(cudaGraph_t handle, cudaGraphNode_t* nodes, size_t* count) {
  if (count == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::GraphCall(handle, [&](emu::Runtime&, const auto& graph, emu::Lock&) {
    std::vector<emu::GraphNode*> roots;
    for (const auto& node : graph->nodes) {
      if (node->after.empty()) roots.push_back(node.get());
    }
    emu::GiveNodes(roots, nodes, count);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetEdges(cudaGraph_t handle, cudaGraphNode_t* from, cudaGraphNode_t* to,
                              cudaGraphEdgeData* edges, size_t* count) {
  if (count == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::GraphCall(handle, [&](emu::Runtime&, const auto& graph, emu::Lock&) {
    const cudaError_t error = emu::GetEdges(*graph, from, to, count);
    emu::GiveEdgeData(edges, count, from == nullptr || to == nullptr);
    return error;
  });
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t handle, cudaGraphNode_t* dependencies,
                                         cudaGraphEdgeData* edges, size_t* count) {
  if (count == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeCall(handle, [&](emu::Runtime&, const emu::GraphNode& node) {
    emu::GiveNodes(node.after, dependencies, count);
    emu::GiveEdgeData(edges, count, dependencies == nullptr);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphNodeGetDependentNodes(cudaGraphNode_t handle, cudaGraphNode_t* dependents,
                                           cudaGraphEdgeData* edges, size_t* count) {
  if (count == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeCall(handle, [&](emu::Runtime&, const emu::GraphNode& node) {
    emu::GiveNodes(node.graph->Followers(&node), dependents, count);
    emu::GiveEdgeData(edges, count, dependents == nullptr);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphAddDependencies(cudaGraph_t handle, const cudaGraphNode_t* from,
                                     const cudaGraphNode_t* to, const cudaGraphEdgeData* /*edges*/,
                                     size_t count) {
  return emu::GraphCall(handle, [&](emu::Runtime&, const auto& graph, emu::Lock&) -> cudaError_t {
    std::vector<emu::GraphNode*> sources, targets;
    const cudaError_t error = emu::TakeEdges(*graph, from, to, count, &sources, &targets);
    if (error != cudaSuccess) return error;
    for (size_t i = 0; i < count; ++i) {
      std::vector<emu::GraphNode*>& after = targets[i]->after;
      if (std::find(after.begin(), after.end(), sources[i]) != after.end()) {
        return cudaErrorInvalidValue;
      }
      after.push_back(sources[i]);
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroyNode(cudaGraphNode_t handle) {
  return emu::NodeCall(handle, [](emu::Runtime&, const emu::GraphNode& node) {
    node.graph->Remove(&node);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDebugDotPrint(cudaGraph_t handle, const char* path, unsigned /*flags*/) {
  if (path == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::GraphCall(handle, [&](emu::Runtime&, const auto& graph, emu::Lock&) -> cudaError_t {
    std::FILE* file = std::fopen(path, "w");
    if (file == nullptr) return cudaErrorOperatingSystem;
    const std::string text = graph->ToDot();
    const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const bool closed = std::fclose(file) == 0;
    return written && closed ? cudaSuccess : cudaErrorOperatingSystem;
  });
}

}  // extern "C"
