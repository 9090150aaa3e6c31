// What all graph calls of the C interface share: handles to objects, node arrays in and out.
//
// Thread: under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_GRAPH_CALL_H_
#define SWITCHYARD_EMULATOR_CUDART_GRAPH_CALL_H_

#include <driver_types.h>

#include <memory>
#include <vector>

#include "emulator/cudart/entry.h"

namespace emu {

// The graph behind a handle: a graph of the program, one that is being captured, or a child graph
// inside another. Null: none.
std::shared_ptr<Graph> FindGraph(Runtime& runtime, cudaGraph_t handle);
// Null: the handle is of no node of any graph.
GraphNode* FindNode(Runtime& runtime, cudaGraphNode_t handle);

// Handles to nodes, all of which must be of `graph`.
cudaError_t TakeNodes(const Graph& graph, const cudaGraphNode_t* handles, size_t count,
                      std::vector<GraphNode*>* nodes);
// CUDA's protocol for arrays out: without an array, *count becomes how many there are; with one, as
// many as fit are written and the rest is null.
void GiveNodes(const std::vector<GraphNode*>& nodes, cudaGraphNode_t* out, size_t* count);

inline cudaGraphNode_t HandleOf(GraphNode* node) { return reinterpret_cast<cudaGraphNode_t>(node); }
inline cudaGraph_t HandleOf(const std::shared_ptr<Graph>& graph) {
  return reinterpret_cast<cudaGraph_t>(graph.get());
}

// body(Runtime&, const std::shared_ptr<Graph>&, Lock&).
template <typename Body>
cudaError_t GraphCall(cudaGraph_t handle, Body body) {
  return HostCall([&](Runtime& runtime, Lock& lock) -> cudaError_t {
    const std::shared_ptr<Graph> graph = FindGraph(runtime, handle);
    return graph == nullptr ? cudaErrorInvalidValue : body(runtime, graph, lock);
  });
}

// body(Runtime&, GraphNode&).
template <typename Body>
cudaError_t NodeCall(cudaGraphNode_t handle, Body body) {
  return HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    GraphNode* node = FindNode(runtime, handle);
    return node == nullptr ? cudaErrorInvalidValue : body(runtime, *node);
  });
}

// body(Runtime&, GraphExec&).
template <typename Body>
cudaError_t ExecCall(cudaGraphExec_t handle, Body body) {
  return HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    const auto found = runtime.execs.find(handle);
    return found == runtime.execs.end() ? cudaErrorInvalidValue : body(runtime, *found->second);
  });
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_GRAPH_CALL_H_
