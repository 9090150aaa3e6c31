// The C interface: nodes of graphs, by kind.
#include <cuda_runtime_api.h>

#include "emulator/cudart/copy.h"
#include "emulator/cudart/graph_call.h"
#include "emulator/cudart/graph_work.h"

namespace emu {
namespace {

struct NewNode {
  cudaGraphNode_t* out = nullptr;
  cudaGraph_t graph = nullptr;
  const cudaGraphNode_t* dependencies = nullptr;
  size_t count = 0;
};

// make(Runtime&, Work*): the node's work.
template <typename Make>
cudaError_t AddNode(const NewNode& request, Make make) {
  if (request.out == nullptr) return Remember(cudaErrorInvalidValue);
  return GraphCall(
      request.graph,
      [&](Runtime& runtime, const std::shared_ptr<Graph>& graph, Lock&) -> cudaError_t {
        std::vector<GraphNode*> after;
        Work work;
        cudaError_t error = TakeNodes(*graph, request.dependencies, request.count, &after);
        if (error == cudaSuccess) error = make(runtime, &work);
        if (error != cudaSuccess) return error;
        *request.out = HandleOf(graph->Add(std::move(work), std::move(after)));
        return cudaSuccess;
      });
}

template <typename Params>
cudaError_t AddNodeOf(const NewNode& request, const Params* params) {
  if (params == nullptr) return Remember(cudaErrorInvalidValue);
  return AddNode(request,
                 [&](Runtime& runtime, Work* work) { return ToWork(runtime, *params, work); });
}

template <typename Params>
cudaError_t GetParams(cudaGraphNode_t handle, Params* params) {
  if (params == nullptr) return Remember(cudaErrorInvalidValue);
  return NodeCall(handle, [&](Runtime&, GraphNode& node) {
    return FromWork(node.work, params) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                   const cudaGraphNode_t* dependencies, size_t count,
                                   const cudaKernelNodeParams* params) {
  return emu::AddNodeOf({out, graph, dependencies, count}, params);
}

cudaError_t cudaGraphKernelNodeGetParams(cudaGraphNode_t node, cudaKernelNodeParams* params) {
  return emu::GetParams(node, params);
}

cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t* out, cudaGraph_t graph,
                                     const cudaGraphNode_t* dependencies, size_t count, void* dst,
                                     const void* src, size_t bytes, cudaMemcpyKind kind) {
  return emu::AddNode({out, graph, dependencies, count},
                      [&](emu::Runtime& runtime, emu::Work* work) -> cudaError_t {
                        emu::CopyWork copy;
                        const emu::CopyRequest request = emu::FlatCopy(dst, src, bytes, kind);
                        if (const cudaError_t error = emu::MakeCopyWork(runtime, request, &copy))
                          return error;
                        *work = std::move(copy);
                        return cudaSuccess;
                      });
}

cudaError_t cudaGraphAddMemsetNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                   const cudaGraphNode_t* dependencies, size_t count,
                                   const cudaMemsetParams* params) {
  return emu::AddNodeOf({out, graph, dependencies, count}, params);
}

cudaError_t cudaGraphMemsetNodeGetParams(cudaGraphNode_t node, cudaMemsetParams* params) {
  return emu::GetParams(node, params);
}

cudaError_t cudaGraphMemsetNodeSetParams(cudaGraphNode_t node, const cudaMemsetParams* params) {
  if (params == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeCall(node, [&](emu::Runtime& runtime, emu::GraphNode& found) {
    emu::Work work;
    const cudaError_t error = emu::ToWork(runtime, *params, &work);
    return error != cudaSuccess ? error : emu::ReplaceWork(work, &found.work);
  });
}

cudaError_t cudaGraphAddHostNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                 const cudaGraphNode_t* dependencies, size_t count,
                                 const cudaHostNodeParams* params) {
  return emu::AddNodeOf({out, graph, dependencies, count}, params);
}

cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                       const cudaGraphNode_t* dependencies, size_t count,
                                       cudaGraph_t child) {
  return emu::AddNode({out, graph, dependencies, count},
                      [&](emu::Runtime& runtime, emu::Work* work) -> cudaError_t {
                        const auto found = emu::FindGraph(runtime, child);
                        if (found == nullptr) return cudaErrorInvalidValue;
                        *work = emu::ChildWork{found->Clone()};
                        return cudaSuccess;
                      });
}

cudaError_t cudaGraphAddEventRecordNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                        const cudaGraphNode_t* dependencies, size_t count,
                                        cudaEvent_t event) {
  return emu::AddNode({out, graph, dependencies, count},
                      [&](emu::Runtime& runtime, emu::Work* work) -> cudaError_t {
                        const auto found = runtime.events.find(event);
                        if (found == runtime.events.end()) return cudaErrorInvalidResourceHandle;
                        *work = emu::RecordWork{found->second};
                        return cudaSuccess;
                      });
}

}  // extern "C"
