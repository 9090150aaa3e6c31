// cp.async.mbarrier.arrive: an arrival for each lane, once all cp.async copies that the lane has
// issued so far are done.
#include <bit>
#include <memory>
#include <utility>
#include <vector>

#include "emulator/ptx/copy_groups.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/mbarrier.h"
#include "emulator/ptx/tensor_address.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

// Op: slots[0] the address, immediate its offset.
enum Detail { kWide, kNoIncrement };

class ArriveWhenCopied : public AsyncOp {
 public:
  struct Arrival {
    int lane;
    SharedPiece object;
  };
  ArriveWhenCopied(Warp& warp, LaneMask lanes, std::vector<Arrival> arrivals)
      : warp_(&warp), copies_(warp.copy_groups().Pending(lanes)), arrivals_(std::move(arrivals)) {}

 private:
  void Perform() override;
  void Announce(const Arrival& arrival);

  Warp* warp_;
  std::vector<std::shared_ptr<WarpCopy>> copies_;
  std::vector<Arrival> arrivals_;
};

// The copies' ends, not what else the thread has done, is what the arrival publishes.
void ArriveWhenCopied::Announce(const Arrival& arrival) {
  for (const auto& copy : copies_) {
    if (copy->ids.empty() || (copy->lanes >> arrival.lane & 1) == 0) continue;
    warp_->block().observer()->OnAsyncArrive(copy->ids[static_cast<size_t>(arrival.lane)],
                                             arrival.object.At(Mbarrier::kBytes));
  }
}

void ArriveWhenCopied::Perform() {
  for (const auto& copy : copies_) warp_->block().gang().async.Finish(*copy);
  Observer* observer = warp_->block().observer();
  for (const Arrival& arrival : arrivals_) {
    if (observer != nullptr) Announce(arrival);
    const bool ended = Mbarrier(arrival.object.pointer).Arrive(1, false, nullptr);
    if (ended && observer != nullptr) {
      observer->OnMbarrierPhase(arrival.object.At(Mbarrier::kBytes));
    }
  }
  warp_->Progress();
}

Step Execute(Warp& warp, const Op& op, LaneMask active) {
  const AddressSlot operand{op.slots[0], op.detail[kWide] != 0, op.immediate};
  std::vector<ArriveWhenCopied::Arrival> arrivals;
  for (LaneMask left = active; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const SharedPiece object = FindShared(warp, SharedAddress(warp, operand, lane),
                                          Mbarrier::kBytes, Mbarrier::kBytes, lane, "an mbarrier");
    if (op.detail[kNoIncrement] == 0) Mbarrier(object.pointer).AddPending();
    arrivals.push_back({lane, object});
  }
  warp.Progress();
  warp.block().gang().async.Post(
      std::make_shared<ArriveWhenCopied>(warp, active, std::move(arrivals)));
  return Step::kNext;
}

// cp.async.mbarrier.arrive[.noinc][.shared[::cta]].b64 [address]
Op Bind(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op;
  const auto& parts = instruction.parts;
  for (size_t i = 4; i + 1 < parts.size(); ++i) {
    if (parts[i] == "noinc") {
      op.detail[kNoIncrement] = 1;
    } else if (parts[i] != "shared" && parts[i] != "shared::cta") {
      builder.Fail(instruction, "unknown form of cp.async.mbarrier.arrive");
    }
  }
  if (parts.back() != "b64" || instruction.operands.size() != 1) {
    builder.Fail(instruction, "unknown form of cp.async.mbarrier.arrive");
  }
  const AddressSlot address = builder.Address(instruction.operands[0], MemorySpace::kShared);
  op.slots[0] = address.slot;
  op.immediate = address.offset;
  op.detail[kWide] = address.wide ? 1 : 0;
  op.execute = Execute;
  return op;
}

}  // namespace

void RegisterMbarrierCopyOps(InstructionTable& table) {
  table.Add("cp.async.mbarrier.arrive", Bind);
}

}  // namespace emu
