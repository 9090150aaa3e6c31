// The C interface: nodes of graphs, by kind and by cudaGraphNodeParams.
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

template <typename Make>
cudaError_t SetWork(cudaGraphNode_t handle, Make make) {
  return NodeCall(handle, [&](Runtime& runtime, GraphNode& node) {
    Work work;
    const cudaError_t error = make(runtime, &work);
    return error != cudaSuccess ? error : ReplaceWork(work, &node.work);
  });
}

template <typename Params>
cudaError_t SetParams(cudaGraphNode_t handle, const Params* params) {
  if (params == nullptr) return Remember(cudaErrorInvalidValue);
  return SetWork(handle,
                 [&](Runtime& runtime, Work* work) { return ToWork(runtime, *params, work); });
}

cudaError_t FlatCopyWork(Runtime& runtime, const CopyRequest& request, Work* work) {
  CopyWork copy;
  const cudaError_t error = MakeCopyWork(runtime, request, &copy);
  if (error == cudaSuccess) *work = std::move(copy);
  return error;
}

cudaError_t AddEventNode(const NewNode& request, cudaGraphNodeType type, cudaEvent_t event) {
  cudaGraphNodeParams params = {};
  params.type = type;
  if (type == cudaGraphNodeTypeEventRecord) {
    params.eventRecord.event = event;
  } else {
    params.eventWait.event = event;
  }
  return AddNode(request,
                 [&](Runtime& runtime, Work* work) { return ToWork(runtime, &params, work); });
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaGraphAddNode(cudaGraphNode_t* out, cudaGraph_t graph,
                             const cudaGraphNode_t* dependencies,
                             const cudaGraphEdgeData* /*edges*/, size_t count,
                             cudaGraphNodeParams* params) {
  if (params == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::AddNode(
      {out, graph, dependencies, count},
      [&](emu::Runtime& runtime, emu::Work* work) { return emu::ToWork(runtime, params, work); });
}

cudaError_t cudaGraphNodeSetParams(cudaGraphNode_t node, cudaGraphNodeParams* params) {
  if (params == nullptr) return emu::Remember(cudaErrorInvalidValue);
  if (params->type == cudaGraphNodeTypeMemAlloc) return emu::Remember(cudaErrorNotSupported);
  return emu::SetWork(node, [&](emu::Runtime& runtime, emu::Work* work) {
    return emu::ToWork(runtime, params, work);
  });
}

cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                   const cudaGraphNode_t* dependencies, size_t count,
                                   const cudaKernelNodeParams* params) {
  return emu::AddNodeOf({out, graph, dependencies, count}, params);
}

cudaError_t cudaGraphKernelNodeGetParams(cudaGraphNode_t node, cudaKernelNodeParams* params) {
  return emu::GetParams(node, params);
}

cudaError_t cudaGraphKernelNodeSetParams(cudaGraphNode_t node, const cudaKernelNodeParams* params) {
  return emu::SetParams(node, params);
}

cudaError_t cudaGraphAddMemcpyNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                   const cudaGraphNode_t* dependencies, size_t count,
                                   const cudaMemcpy3DParms* params) {
  return emu::AddNodeOf({out, graph, dependencies, count}, params);
}

cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t* out, cudaGraph_t graph,
                                     const cudaGraphNode_t* dependencies, size_t count, void* dst,
                                     const void* src, size_t bytes, cudaMemcpyKind kind) {
  return emu::AddNode(
      {out, graph, dependencies, count}, [&](emu::Runtime& runtime, emu::Work* work) {
        return emu::FlatCopyWork(runtime, emu::FlatCopy(dst, src, bytes, kind), work);
      });
}

cudaError_t cudaGraphMemcpyNodeGetParams(cudaGraphNode_t node, cudaMemcpy3DParms* params) {
  return emu::GetParams(node, params);
}

cudaError_t cudaGraphMemcpyNodeSetParams(cudaGraphNode_t node, const cudaMemcpy3DParms* params) {
  return emu::SetParams(node, params);
}

cudaError_t cudaGraphMemcpyNodeSetParams1D(cudaGraphNode_t node, void* dst, const void* src,
                                           size_t bytes, cudaMemcpyKind kind) {
  return emu::SetWork(node, [&](emu::Runtime& runtime, emu::Work* work) {
    return emu::FlatCopyWork(runtime, emu::FlatCopy(dst, src, bytes, kind), work);
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
  return emu::SetParams(node, params);
}

cudaError_t cudaGraphAddHostNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                 const cudaGraphNode_t* dependencies, size_t count,
                                 const cudaHostNodeParams* params) {
  return emu::AddNodeOf({out, graph, dependencies, count}, params);
}

cudaError_t cudaGraphHostNodeGetParams(cudaGraphNode_t node, cudaHostNodeParams* params) {
  return emu::GetParams(node, params);
}

cudaError_t cudaGraphHostNodeSetParams(cudaGraphNode_t node, const cudaHostNodeParams* params) {
  return emu::SetParams(node, params);
}

cudaError_t cudaGraphAddEmptyNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                  const cudaGraphNode_t* dependencies, size_t count) {
  return emu::AddNode({out, graph, dependencies, count}, [](emu::Runtime&, emu::Work* work) {
    *work = emu::EmptyWork();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                       const cudaGraphNode_t* dependencies, size_t count,
                                       cudaGraph_t child) {
  cudaGraphNodeParams params = {};
  params.type = cudaGraphNodeTypeGraph;
  params.graph.graph = child;
  return cudaGraphAddNode(out, graph, dependencies, nullptr, count, &params);
}

cudaError_t cudaGraphChildGraphNodeGetGraph(cudaGraphNode_t handle, cudaGraph_t* child) {
  if (child == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeCall(handle, [&](emu::Runtime&, const emu::GraphNode& node) -> cudaError_t {
    const auto* work = std::get_if<emu::ChildWork>(&node.work);
    if (work == nullptr) return cudaErrorInvalidValue;
    *child = emu::HandleOf(work->graph);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphAddEventRecordNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                        const cudaGraphNode_t* dependencies, size_t count,
                                        cudaEvent_t event) {
  return emu::AddEventNode({out, graph, dependencies, count}, cudaGraphNodeTypeEventRecord, event);
}

cudaError_t cudaGraphAddEventWaitNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                      const cudaGraphNode_t* dependencies, size_t count,
                                      cudaEvent_t event) {
  return emu::AddEventNode({out, graph, dependencies, count}, cudaGraphNodeTypeWaitEvent, event);
}

cudaError_t cudaGraphAddMemAllocNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                     const cudaGraphNode_t* dependencies, size_t count,
                                     cudaMemAllocNodeParams* params) {
  if (params == nullptr) return emu::Remember(cudaErrorInvalidValue);
  cudaGraphNodeParams general = {};
  general.type = cudaGraphNodeTypeMemAlloc;
  general.alloc.poolProps = params->poolProps;
  general.alloc.bytesize = params->bytesize;
  const cudaError_t error = cudaGraphAddNode(out, graph, dependencies, nullptr, count, &general);
  params->dptr = general.alloc.dptr;
  return error;
}

cudaError_t cudaGraphAddMemFreeNode(cudaGraphNode_t* out, cudaGraph_t graph,
                                    const cudaGraphNode_t* dependencies, size_t count,
                                    void* pointer) {
  cudaGraphNodeParams params = {};
  params.type = cudaGraphNodeTypeMemFree;
  params.free.dptr = pointer;
  return cudaGraphAddNode(out, graph, dependencies, nullptr, count, &params);
}

}  // extern "C"
