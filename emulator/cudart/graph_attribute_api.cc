// The C interface: attributes of kernel nodes, events of event nodes, memory of allocation nodes.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "emulator/cudart/graph_call.h"

namespace emu {
namespace {

// body(Runtime&, OneWork&) for a node whose work is of that type.
template <typename OneWork, typename Body>
cudaError_t NodeOf(cudaGraphNode_t handle, Body body) {
  return NodeCall(handle, [&](Runtime& runtime, GraphNode& node) -> cudaError_t {
    auto* work = std::get_if<OneWork>(&node.work);
    return work == nullptr ? cudaErrorInvalidValue : body(runtime, *work);
  });
}

// The same for a node of what later launches of `exec` run.
template <typename OneWork, typename Body>
cudaError_t ExecNodeOf(cudaGraphExec_t exec, cudaGraphNode_t handle, Body body) {
  return ExecCall(exec, [&](Runtime& runtime, GraphExec& found) -> cudaError_t {
    auto plan = std::make_shared<GraphPlan>(*found.plan);
    PlanNode* node = plan->Find(reinterpret_cast<const GraphNode*>(handle));
    auto* work = node == nullptr ? nullptr : std::get_if<OneWork>(&node->work);
    if (work == nullptr) return cudaErrorInvalidValue;
    const cudaError_t error = body(runtime, *work);
    if (error == cudaSuccess) found.plan = std::move(plan);
    return error;
  });
}

template <typename EventWork>
cudaError_t GetEvent(cudaGraphNode_t node, cudaEvent_t* event) {
  if (event == nullptr) return Remember(cudaErrorInvalidValue);
  return NodeOf<EventWork>(node, [&](Runtime&, const EventWork& work) {
    *event = reinterpret_cast<cudaEvent_t>(work.event.get());
    return cudaSuccess;
  });
}

// Replaces the event of a node's work.
auto EventSetter(cudaEvent_t event) {
  return [event](Runtime& runtime, auto& work) -> cudaError_t {
    const auto found = runtime.events.find(event);
    if (found == runtime.events.end()) return cudaErrorInvalidResourceHandle;
    work.event = found->second;
    return cudaSuccess;
  };
}

cudaError_t GetAttribute(const KernelWork& work, cudaLaunchAttributeID id,
                         cudaLaunchAttributeValue* value) {
  *value = {};
  switch (id) {
    case cudaLaunchAttributeClusterDimension:
      value->clusterDim = {work.cluster.x, work.cluster.y, work.cluster.z};
      return cudaSuccess;
    case cudaLaunchAttributeCooperative:
      value->cooperative = work.cooperative;
      return cudaSuccess;
    case cudaLaunchAttributePriority:
      value->priority = work.priority;
      return cudaSuccess;
    default:
      break;
  }
  for (const cudaLaunchAttribute& attribute : work.attributes) {
    if (attribute.id == id) *value = attribute.val;
  }
  return cudaSuccess;
}

// What decides how a kernel runs was checked when the node was made and stays; hints may change.
cudaError_t SetAttribute(KernelWork& work, cudaLaunchAttributeID id,
                         const cudaLaunchAttributeValue& value) {
  if (id == cudaLaunchAttributeClusterDimension || id == cudaLaunchAttributeCooperative) {
    return cudaErrorNotSupported;
  }
  if (id == cudaLaunchAttributePriority) work.priority = value.priority;
  std::erase_if(work.attributes, [&](const auto& attribute) { return attribute.id == id; });
  cudaLaunchAttribute attribute = {};
  attribute.id = id;
  attribute.val = value;
  work.attributes.push_back(attribute);
  return cudaSuccess;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaGraphKernelNodeGetAttribute(cudaGraphNode_t node, cudaLaunchAttributeID id,
                                            cudaLaunchAttributeValue* value) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeOf<emu::KernelWork>(node, [&](emu::Runtime&, const emu::KernelWork& work) {
    return emu::GetAttribute(work, id, value);
  });
}

cudaError_t cudaGraphKernelNodeSetAttribute(cudaGraphNode_t node, cudaLaunchAttributeID id,
                                            const cudaLaunchAttributeValue* value) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeOf<emu::KernelWork>(node, [&](emu::Runtime&, emu::KernelWork& work) {
    return emu::SetAttribute(work, id, *value);
  });
}

cudaError_t cudaGraphEventRecordNodeGetEvent(cudaGraphNode_t node, cudaEvent_t* event) {
  return emu::GetEvent<emu::RecordWork>(node, event);
}

cudaError_t cudaGraphEventRecordNodeSetEvent(cudaGraphNode_t node, cudaEvent_t event) {
  return emu::NodeOf<emu::RecordWork>(node, emu::EventSetter(event));
}

cudaError_t cudaGraphExecEventRecordNodeSetEvent(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                 cudaEvent_t event) {
  return emu::ExecNodeOf<emu::RecordWork>(exec, node, emu::EventSetter(event));
}

cudaError_t cudaGraphEventWaitNodeGetEvent(cudaGraphNode_t node, cudaEvent_t* event) {
  return emu::GetEvent<emu::WaitWork>(node, event);
}

cudaError_t cudaGraphEventWaitNodeSetEvent(cudaGraphNode_t node, cudaEvent_t event) {
  return emu::NodeOf<emu::WaitWork>(node, emu::EventSetter(event));
}

cudaError_t cudaGraphExecEventWaitNodeSetEvent(cudaGraphExec_t exec, cudaGraphNode_t node,
                                               cudaEvent_t event) {
  return emu::ExecNodeOf<emu::WaitWork>(exec, node, emu::EventSetter(event));
}

cudaError_t cudaGraphMemAllocNodeGetParams(cudaGraphNode_t node, cudaMemAllocNodeParams* params) {
  if (params == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeOf<emu::AllocateWork>(node, [&](emu::Runtime&, const emu::AllocateWork& work) {
    *params = {};
    params->poolProps.allocType = cudaMemAllocationTypePinned;
    params->poolProps.location = {cudaMemLocationTypeDevice, work.device->ordinal};
    params->bytesize = work.bytes;
    params->dptr = work.base;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphMemFreeNodeGetParams(cudaGraphNode_t node, void* pointer) {
  if (pointer == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::NodeOf<emu::FreeWork>(node, [&](emu::Runtime&, const emu::FreeWork& work) {
    *static_cast<void**>(pointer) = work.base;
    return cudaSuccess;
  });
}

// The memory of graphs goes back when they do: there is nothing to trim.
cudaError_t cudaDeviceGraphMemTrim(int /*device*/) { return cudaSuccess; }

}  // extern "C"
