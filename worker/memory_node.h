// Where a machine has several memory nodes (sockets), the CPU workers of one host spread over them:
// each keeps to the cores of one node, so that what its threads touch first, staging memory,
// weights, cache and buffers, lies beside them.
#ifndef SWITCHYARD_WORKER_MEMORY_NODE_H_
#define SWITCHYARD_WORKER_MEMORY_NODE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::worker {

// A list of CPUs or nodes as Linux writes it, "0-3,8,10-11"; nothing if it is none.
std::optional<std::vector<int>> ParseCpuList(std::string_view text);

// The CPUs of each node of which `allowed` has some, and only those. `folder` is Linux's
// /sys/devices/system/node; empty where the system does not tell.
std::vector<std::vector<int>> CpusByNode(const std::string& folder,
                                         const std::vector<int>& allowed);

// The node of worker `index` of `workers`, neighbours together; nothing where the workers cannot be
// spread evenly: then each uses all nodes.
std::optional<size_t> NodeOfWorker(int index, int workers, size_t nodes);

// Keeps this thread and those that it starts to the node of this worker. What it did, for a log;
// empty: nothing. A refusal (a container's rules) costs speed, not correctness.
std::string KeepToNode(int index, int workers);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MEMORY_NODE_H_
