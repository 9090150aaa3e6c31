// The race detector's reports: what, where, by whom, against what.
#include <string>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/race_domain.h"

namespace emu {
namespace {

constexpr uint32_t kWarpsPerWarpgroup = 4;

std::string Verb(uint8_t flags) {
  std::string verb = (flags & kRaceWrite) ? "write" : "read";
  if (flags & kRaceModify) verb = "update";
  if (flags & kRaceAtomic) verb = "atomic " + verb;
  if (flags & kRaceAsync) verb += " through the async proxy";
  return verb;
}

std::string Hex(uint64_t value) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdef"[value % 16]);
    value /= 16;
  } while (value != 0);
  return "0x" + text;
}

std::string Line(const RaceDetector& detector, uint32_t line) {
  if (line == 0) return "";
  const std::string text = detector.config().line_text(line);
  return " (PTX line " + std::to_string(line) + (text.empty() ? ")" : ": " + text + ")");
}

}  // namespace

std::string RaceDomain::Describe(uint32_t index) const {
  const auto thread = [&](uint32_t number) {
    const uint32_t per_block = warps_per_block_ * kWarpSize;
    std::string text = "thread " + std::to_string(number % per_block);
    if (barriers_.size() > 1) text += " of cluster block " + std::to_string(number / per_block);
    return text;
  };
  if (index < num_threads_) return thread(index);
  if (index < pseudo_begin_) return "an asynchronous copy of " + thread(index - copies_begin_);
  const uint32_t pseudo = index - pseudo_begin_;
  const uint32_t num_warpgroups =
      (warp_epoch_.size() + kWarpsPerWarpgroup - 1) / kWarpsPerWarpgroup;
  if (pseudo < num_warpgroups) {
    return "the tensor core of the warpgroup of " + thread(pseudo * kWarpsPerWarpgroup * kWarpSize);
  }
  return "a bulk copy of the warp of " + thread(pseudo_[pseudo].issuer);
}

void RaceDomain::Report(const RaceActor& actor, int lane, const RacePlace& place, uint8_t flags,
                        const RaceConflict& conflict) const {
  std::string text = Verb(flags) + " of " + std::to_string(place.bytes) + " bytes at ";
  if (place.shared) {
    text += "shared offset " + std::to_string(place.address);
    if (barriers_.size() > 1) text += " of cluster block " + std::to_string(place.block);
  } else {
    const MemoryRange range = FindMemory(place.address);
    text += range.bytes == 0 ? Hex(place.address)
                             : "byte " + std::to_string(place.address - range.base) + " of \"" +
                                   range.label + "\"";
  }
  text += " by " + Describe(actor.index) + Line(*detector_, actor.line);
  const std::string other = conflict.domain == actor.domain
                                ? Describe(conflict.index)
                                : std::string("a thread of another block");
  const std::string against =
      Verb(conflict.flags) + " by " + other + Line(*detector_, conflict.line);
  if (conflict.only_proxy) {
    throw Fault(
        FaultKind::kRace, lane,
        text + " is ordered after the " + against +
            ", but no fence.proxy.async by the writer makes that visible to the async proxy");
  }
  if (conflict.flags & kRaceCopy) {
    throw Fault(FaultKind::kRace, lane, text + ": nobody has waited for the end of the " + against);
  }
  throw Fault(FaultKind::kRace, lane, text + " is not ordered after the " + against);
}

}  // namespace emu
