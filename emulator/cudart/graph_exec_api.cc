// The C interface: instantiating, updating and launching graphs.
#include <cuda_runtime_api.h>

#include "emulator/cudart/event_order.h"
#include "emulator/cudart/graph_call.h"
#include "emulator/cudart/graph_work.h"

namespace emu {
namespace {

cudaError_t Instantiate(cudaGraphExec_t* out, cudaGraph_t handle, unsigned long long flags) {
  if (out == nullptr) return Remember(cudaErrorInvalidValue);
  if (flags & cudaGraphInstantiateFlagDeviceLaunch) return Remember(cudaErrorNotSupported);
  return GraphCall(
      handle, [&](Runtime& runtime, const std::shared_ptr<Graph>& graph, Lock&) -> cudaError_t {
        auto exec = std::make_shared<GraphExec>();
        exec->plan = GraphPlan::Make(*graph);
        if (exec->plan == nullptr) return cudaErrorInvalidValue;
        exec->user_objects = graph->user_objects;
        *out = reinterpret_cast<cudaGraphExec_t>(exec.get());
        runtime.execs[exec.get()] = std::move(exec);
        return cudaSuccess;
      });
}

// One launch is one operation of the stream. Event nodes: an event that the graph records is
// reached when the graph is; one that it waits for holds back the whole graph.
cudaError_t LaunchPlan(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                       const GraphExec& exec) {
  const std::shared_ptr<const GraphPlan> plan = exec.plan;
  if (const cudaError_t error = runtime.CheckImplicit(*stream)) return error;
  Operation operation;
  operation.may_block = plan->may_block();
  operation.seen_outside = operation.may_block;
  for (const PlanNode& node : plan->nodes) {
    const auto* wait = std::get_if<WaitWork>(&node.work);
    if (wait != nullptr && node.enabled) AddWait(*wait->event, &operation);
  }
  if (operation.run) {  // a wait for another process comes first, in a place of its own
    runtime.SubmitOperation(lock, *stream, std::move(operation));
    operation = {.may_block = plan->may_block(), .seen_outside = plan->may_block()};
  }
  std::optional<uint64_t> seed;
  if (runtime.settings.streams == StreamOrder::kRandom) {
    seed = runtime.settings.interpreter.seed + stream->queued;
  }
  operation.run = [plan, seed] { return plan->Run(seed); };
  runtime.SubmitOperation(lock, *stream, std::move(operation));
  for (const PlanNode& node : plan->nodes) {
    const auto* record = std::get_if<RecordWork>(&node.work);
    if (record == nullptr || !node.enabled) continue;
    runtime.SubmitOperation(lock, *stream, RecordOperation(*record->event, stream));
  }
  return cudaSuccess;
}

// A launch inside a capture is a child graph of the nodes that the plan has.
cudaError_t LaunchCaptured(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                           const GraphExec& exec) {
  auto child = std::make_shared<Graph>();
  for (const PlanNode& node : exec.plan->nodes) {
    std::vector<GraphNode*> after;
    for (const size_t before : node.after) after.push_back(child->nodes[before].get());
    child->Add(node.enabled ? node.work : Work(EmptyWork()), std::move(after));
  }
  return runtime.Submit(lock, stream, ChildWork{std::move(child)});
}

// Changes one node of what later launches run. change(PlanNode&).
template <typename Change>
cudaError_t ChangeNode(GraphExec& exec, cudaGraphNode_t handle, Change change) {
  auto plan = std::make_shared<GraphPlan>(*exec.plan);
  PlanNode* node = plan->Find(reinterpret_cast<const GraphNode*>(handle));
  if (node == nullptr) return cudaErrorInvalidValue;
  const cudaError_t error = change(*node);
  if (error == cudaSuccess) exec.plan = std::move(plan);
  return error;
}

template <typename Params>
cudaError_t SetExecParams(cudaGraphExec_t exec, cudaGraphNode_t handle, const Params* params) {
  if (params == nullptr) return Remember(cudaErrorInvalidValue);
  return ExecCall(exec, [&](Runtime& runtime, GraphExec& found) {
    return ChangeNode(found, handle, [&](PlanNode& node) {
      Work work;
      const cudaError_t error = ToWork(runtime, *params, &work);
      return error != cudaSuccess ? error : ReplaceWork(work, &node.work);
    });
  });
}

// The exec takes the work of a graph of the same shape. The nodes keep the identity of the graph
// that it was instantiated from.
cudaGraphExecUpdateResult Update(GraphExec& exec, const Graph& graph, const GraphNode** culprit) {
  const std::shared_ptr<GraphPlan> next = GraphPlan::Make(graph);
  if (next == nullptr || next->nodes.size() != exec.plan->nodes.size()) {
    return cudaGraphExecUpdateErrorTopologyChanged;
  }
  for (size_t i = 0; i < next->nodes.size(); ++i) {
    PlanNode& node = next->nodes[i];
    const PlanNode& old = exec.plan->nodes[i];
    *culprit = node.source;
    if (node.after != old.after) return cudaGraphExecUpdateErrorTopologyChanged;
    if (node.work.index() != old.work.index()) return cudaGraphExecUpdateErrorNodeTypeChanged;
    if (std::holds_alternative<AllocateWork>(node.work)) {
      return cudaGraphExecUpdateErrorNotSupported;
    }
    node.source = old.source;
    node.enabled = old.enabled;
  }
  *culprit = nullptr;
  exec.plan = next;
  return cudaGraphExecUpdateSuccess;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags) {
  return emu::Instantiate(exec, graph, flags);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph,
                                          unsigned long long flags) {
  return emu::Instantiate(exec, graph, flags);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  std::shared_ptr<emu::GraphExec> dying;  // may run the program's destructors: not under the lock
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    const auto found = runtime.execs.find(handle);
    if (found == runtime.execs.end()) return cudaErrorInvalidValue;
    dying = std::move(found->second);
    runtime.execs.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  return emu::StreamCall(
      stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        const auto exec = runtime.execs.find(handle);
        if (exec == runtime.execs.end()) return cudaErrorInvalidValue;
        return found->capture != nullptr ? emu::LaunchCaptured(runtime, lock, found, *exec->second)
                                         : emu::LaunchPlan(runtime, lock, found, *exec->second);
      });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t handle, cudaStream_t stream) {
  return emu::StreamCall(
      stream, [&](emu::Runtime& runtime, const auto&, emu::Lock&) -> cudaError_t {
        return runtime.execs.contains(handle) ? cudaSuccess : cudaErrorInvalidValue;
      });
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t handle, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* info) {
  if (info == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::ExecCall(handle, [&](emu::Runtime& runtime, emu::GraphExec& exec) -> cudaError_t {
    const std::shared_ptr<emu::Graph> found = emu::FindGraph(runtime, graph);
    if (found == nullptr) return cudaErrorInvalidValue;
    const emu::GraphNode* culprit = nullptr;
    info->result = emu::Update(exec, *found, &culprit);
    info->errorNode = emu::HandleOf(const_cast<emu::GraphNode*>(culprit));
    info->errorFromNode = nullptr;
    return info->result == cudaGraphExecUpdateSuccess ? cudaSuccess
                                                      : cudaErrorGraphExecUpdateFailure;
  });
}

cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* params) {
  return emu::SetExecParams(exec, node, params);
}

cudaError_t cudaGraphExecMemsetNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaMemsetParams* params) {
  return emu::SetExecParams(exec, node, params);
}

cudaError_t cudaGraphNodeSetEnabled(cudaGraphExec_t handle, cudaGraphNode_t node,
                                    unsigned enabled) {
  return emu::ExecCall(handle, [&](emu::Runtime&, emu::GraphExec& exec) {
    return emu::ChangeNode(exec, node, [&](emu::PlanNode& planned) {
      planned.enabled = enabled != 0;
      return cudaSuccess;
    });
  });
}

}  // extern "C"
