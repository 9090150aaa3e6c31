// Operands that the bulk-copy instructions share, and posting what they make.
#ifndef SWITCHYARD_EMULATOR_PTX_TMA_OPERANDS_H_
#define SWITCHYARD_EMULATOR_PTX_TMA_OPERANDS_H_

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/tma_copy.h"

namespace emu {

// One bound bulk copy, of either kind. Which fields are set depends on the form.
struct BulkExtra : OpExtra {
  AddressSlot shared;    // destination of a load, source of a store
  AddressSlot global;    // of consecutive bytes, or of the tensor map
  AddressSlot source;    // shared::cta source of a copy into the cluster
  AddressSlot mbarrier;  // loads
  int32_t size = kNoSlot;
  int32_t multicast = kNoSlot;  // 16-bit mask of ranks; kNoSlot: none
  uint32_t rank = 0;            // of the tensor; 0: consecutive bytes
  std::array<int32_t, kMaxTensorRank> coordinates = {};
  BulkReduction reduction = BulkReduction::kNone;
  TensorType type = TensorType::kU8;  // of a reduction of consecutive bytes
};

// The tensor side in one lane: the map, checked, and the coordinates.
GlobalSide TensorSide(const Warp& warp, const BulkExtra& extra, int lane);
// Consecutive bytes; size and address must be multiples of 16.
uint32_t BulkSize(const Warp& warp, const BulkExtra& extra, int lane);
GlobalSide LinearSide(const Warp& warp, const BulkExtra& extra, int lane);

// Where a load goes: the destination and the mbarrier that it gives, or with a multicast mask the
// same offsets in each block of the mask.
std::vector<BulkLoad::Target> LoadTargets(const Warp& warp, const BulkExtra& extra, uint32_t bytes,
                                          uint32_t alignment, int lane);

void PostLoad(Warp& warp, std::shared_ptr<BulkLoad> load);
void PostStore(Warp& warp, int lane, std::shared_ptr<BulkStore> store);

template <class Action>
void ForEachActiveLane(LaneMask active, Action action) {
  for (LaneMask left = active; left != 0; left &= left - 1) action(std::countr_zero(left));
}

// --- binding ---

// The parts of an opcode behind `first`, each of which must be taken.
class OpcodeParts {
 public:
  OpcodeParts(const ParsedInstruction& instruction, KernelBuilder& builder, size_t first)
      : instruction_(instruction), builder_(builder), at_(first) {}

  bool Take(std::string_view part) {
    const bool is = at_ < instruction_.parts.size() && instruction_.parts[at_] == part;
    at_ += is ? 1 : 0;
    return is;
  }
  std::string_view TakeAny() {
    if (at_ == instruction_.parts.size()) Unknown();
    return instruction_.parts[at_++];
  }
  void Expect(std::string_view part) {
    if (!Take(part)) Unknown();
  }
  void ExpectEnd() {
    if (at_ != instruction_.parts.size()) Unknown();
  }
  [[noreturn]] void Unknown() const { builder_.Fail(instruction_, "unknown form of a bulk copy"); }

 private:
  const ParsedInstruction& instruction_;
  KernelBuilder& builder_;
  size_t at_;
};

// "[map, {coordinates}]" of a tensor of extra->rank dimensions.
void BindTensor(const ParsedInstruction& instruction, KernelBuilder& builder,
                const Operand& operand, BulkExtra* extra);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TMA_OPERANDS_H_
