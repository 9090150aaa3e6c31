#include "worker/memory_node.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>

namespace switchyard::worker {
namespace {

constexpr char kNodes[] = "/sys/devices/system/node";

std::vector<int> AllowedCpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

// The list in a file of one line; empty if there is none.
std::vector<int> ReadCpuList(const std::string& path) {
  std::ifstream file(path);  // the kernel's files do not have the size that they say
  std::string line;
  std::getline(file, line);
  return ParseCpuList(line).value_or(std::vector<int>());
}

}  // namespace

std::optional<std::vector<int>> ParseCpuList(std::string_view text) {
  std::vector<int> numbers;
  if (text.empty()) return numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    int first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc()) return std::nullopt;
    int last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc()) return std::nullopt;
    }
    if (first < 0 || last < first || last >= CPU_SETSIZE) return std::nullopt;
    for (int number = first; number <= last; ++number) numbers.push_back(number);
    if (parsed.ptr == end) return numbers;
    if (*parsed.ptr != ',') return std::nullopt;
    at = parsed.ptr + 1;
  }
}

std::vector<std::vector<int>> CpusByNode(const std::string& folder,
                                         const std::vector<int>& allowed) {
  std::vector<std::vector<int>> nodes;
  for (const int node : ReadCpuList(folder + "/online")) {
    std::vector<int> cpus = ReadCpuList(fmt::format("{}/node{}/cpulist", folder, node));
    std::erase_if(cpus, [&](int cpu) { return std::ranges::find(allowed, cpu) == allowed.end(); });
    if (!cpus.empty()) nodes.push_back(std::move(cpus));
  }
  return nodes;
}

std::optional<size_t> NodeOfWorker(int index, int workers, size_t nodes) {
  if (nodes < 2 || index < 0 || index >= workers || static_cast<size_t>(workers) % nodes != 0) {
    return std::nullopt;
  }
  return static_cast<size_t>(index) * nodes / static_cast<size_t>(workers);
}

std::string KeepToNode(int index, int workers) {
  const std::vector<std::vector<int>> nodes = CpusByNode(kNodes, AllowedCpus());
  const std::optional<size_t> node = NodeOfWorker(index, workers, nodes.size());
  if (!node.has_value()) return "";
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : nodes[*node]) CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) return "";
  return fmt::format("keeps to the {} cores of memory node {} of {}", nodes[*node].size(), *node,
                     nodes.size());
}

}  // namespace switchyard::worker
