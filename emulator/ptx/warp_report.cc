// Where a warp stands, in words.
#include <bit>
#include <cstdio>
#include <map>
#include <string>

#include "emulator/ptx/block.h"
#include "emulator/ptx/kernel.h"
#include "emulator/ptx/mbarrier_report.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

std::string Text(uint32_t x, uint32_t y, uint32_t z) {
  char text[40];
  std::snprintf(text, sizeof text, "(%u,%u,%u)", x, y, z);
  return text;
}

std::string LineOf(const Kernel& kernel, uint32_t pc) {
  if (pc >= kernel.ops().size()) return "the end";
  const uint32_t line = kernel.ops()[pc].line;
  return "PTX line " + std::to_string(line) + ": " + std::string(kernel.LineText(line));
}

}  // namespace

std::string Warp::Where(int lane) const {
  const Dim3& at = block_->position();
  const Dim3& dim = block_->launch().config->block;
  const uint32_t thread = index_ * kWarpSize + static_cast<uint32_t>(lane);
  return "block " + Text(at.x, at.y, at.z) + ", thread " +
         Text(thread % dim.x, thread / dim.x % dim.y, thread / dim.x / dim.y) + ", " +
         LineOf(*kernel_, current_pc_);
}

std::string Warp::DescribeWaiting() const {
  std::map<std::pair<uint32_t, bool>, LaneMask> places;  // pc, parked
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const LaneMask bit = LaneMask{1} << lane;
    if (live_ & bit) places[{pc_[lane], (parked_ & bit) != 0}] |= bit;
  }
  const Dim3& at = block_->position();
  std::string result;
  for (const auto& [place, lanes] : places) {
    char mask[16];
    std::snprintf(mask, sizeof mask, "%08x", lanes);
    result += "\n  block " + Text(at.x, at.y, at.z) + " warp " + std::to_string(index_) +
              " lanes " + mask + (place.second ? " waits at a barrier, " : ", ") +
              LineOf(*kernel_, place.first);
  }
  // A poll that failed lets its lanes go on to the jump back; what they wait for is the poll.
  if (poll_ != PollKind::kNone && last_poll_pc_ < kernel_->ops().size()) {
    result += "; polls " + LineOf(*kernel_, last_poll_pc_) +
              DescribeMbarrierWait(*this, kernel_->ops()[last_poll_pc_]);
  }
  return result;
}

}  // namespace emu
