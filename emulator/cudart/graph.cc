#include "emulator/cudart/graph.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace emu {
namespace {

std::string DescribeNode(const GraphNode& node) {
  if (const auto* kernel = std::get_if<KernelWork>(&node.work)) {
    return "kernel " + kernel->function->name;
  }
  switch (NodeTypeOf(node.work)) {
    case cudaGraphNodeTypeKernel:
      return "collective";
    case cudaGraphNodeTypeMemcpy:
      return "copy";
    case cudaGraphNodeTypeMemset:
      return "fill";
    case cudaGraphNodeTypeHost:
      return "host function";
    case cudaGraphNodeTypeGraph:
      return "graph";
    case cudaGraphNodeTypeWaitEvent:
      return "event wait";
    case cudaGraphNodeTypeEventRecord:
      return "event record";
    case cudaGraphNodeTypeMemAlloc:
      return "allocation";
    case cudaGraphNodeTypeMemFree:
      return "release";
    default:
      return "empty";
  }
}

}  // namespace

GraphNode* Graph::Add(Work work, std::vector<GraphNode*> after) {
  auto node = std::make_unique<GraphNode>();
  node->graph = this;
  node->serial = next_serial++;
  node->work = std::move(work);
  // By age, never by address: two captures of one program are to give the same graph.
  std::sort(after.begin(), after.end(),
            [](const GraphNode* a, const GraphNode* b) { return a->serial < b->serial; });
  after.erase(std::unique(after.begin(), after.end()), after.end());
  node->after = std::move(after);
  nodes.push_back(std::move(node));
  return nodes.back().get();
}

void Graph::Remove(const GraphNode* node) {
  for (const auto& other : nodes) std::erase(other->after, node);
  std::erase_if(nodes, [&](const auto& held) { return held.get() == node; });
}

bool Graph::Owns(const GraphNode* node) const {
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const auto& held) { return held.get() == node; });
}

std::vector<GraphNode*> Graph::Followers(const GraphNode* node) const {
  std::vector<GraphNode*> found;
  for (const auto& other : nodes) {
    const auto& after = other->after;
    if (std::find(after.begin(), after.end(), node) != after.end()) found.push_back(other.get());
  }
  return found;
}

bool Graph::Sort(std::vector<const GraphNode*>* sorted) const {
  sorted->clear();
  const auto younger = [](const GraphNode* a, const GraphNode* b) { return a->serial > b->serial; };
  std::priority_queue<const GraphNode*, std::vector<const GraphNode*>, decltype(younger)> ready(
      younger);
  std::unordered_map<const GraphNode*, size_t> missing;
  std::unordered_map<const GraphNode*, std::vector<const GraphNode*>> followers;
  for (const auto& node : nodes) {
    missing[node.get()] = node->after.size();
    for (const GraphNode* before : node->after) followers[before].push_back(node.get());
    if (node->after.empty()) ready.push(node.get());
  }
  while (!ready.empty()) {
    const GraphNode* node = ready.top();
    ready.pop();
    sorted->push_back(node);
    for (const GraphNode* follower : followers[node]) {
      if (--missing[follower] == 0) ready.push(follower);
    }
  }
  return sorted->size() == nodes.size();
}

std::shared_ptr<Graph> Graph::Clone(
    std::unordered_map<const GraphNode*, GraphNode*>* copies) const {
  auto clone = std::make_shared<Graph>();
  std::unordered_map<const GraphNode*, GraphNode*> own;
  for (const auto& node : nodes) {
    Work work = node->work;
    if (auto* child = std::get_if<ChildWork>(&work)) child->graph = child->graph->Clone(copies);
    GraphNode* copy = clone->Add(std::move(work), {});
    copy->copied_from = node.get();
    own[node.get()] = copy;
  }
  for (const auto& node : nodes) {
    for (const GraphNode* before : node->after) own[node.get()]->after.push_back(own[before]);
  }
  clone->user_objects = user_objects;
  if (copies != nullptr) copies->insert(own.begin(), own.end());
  return clone;
}

std::string Graph::ToDot() const {
  std::string text = "digraph cuda_graph {\n";
  for (const auto& node : nodes) {
    text += "  n" + std::to_string(node->serial) + " [label=\"" + DescribeNode(*node) + "\"];\n";
    for (const GraphNode* before : node->after) {
      text +=
          "  n" + std::to_string(before->serial) + " -> n" + std::to_string(node->serial) + ";\n";
    }
  }
  return text + "}\n";
}

}  // namespace emu
