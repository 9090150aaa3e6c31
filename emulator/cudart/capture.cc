#include "emulator/cudart/capture.h"

#include <unordered_set>

namespace emu {

void Capture::Detach() {
  for (const auto& stream : streams) {
    if (stream->capture.get() != this) continue;
    stream->capture_tail.clear();
    stream->capture.reset();
  }
}

bool Capture::IsJoined() const {
  std::unordered_set<const GraphNode*> seen;
  std::vector<const GraphNode*> open(origin->capture_tail.begin(), origin->capture_tail.end());
  while (!open.empty()) {
    const GraphNode* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    open.insert(open.end(), node->after.begin(), node->after.end());
  }
  for (const auto& stream : streams) {
    if (stream->capture.get() != this) continue;
    for (const GraphNode* node : stream->capture_tail) {
      if (!seen.contains(node)) return false;
    }
  }
  return true;
}

}  // namespace emu
