#include "emulator/ptx/tma_operands.h"

#include <cstring>
#include <string>
#include <utility>

namespace emu {
namespace {

constexpr uint32_t kBulkAlignment = 16;
constexpr uint32_t kMapAlignment = 64;

uint64_t GlobalAddress(const Warp& warp, const AddressSlot& operand, int lane) {
  return warp.Address(operand.slot, operand.wide, lane) + static_cast<uint64_t>(operand.offset);
}

[[noreturn]] void Misaligned(int lane, const std::string& what, uint64_t value) {
  throw Fault(FaultKind::kMisaligned, lane,
              "bulk copy: " + what + " " + std::to_string(value) + " is not a multiple of " +
                  std::to_string(kBulkAlignment));
}

SharedPiece PieceOf(const Block& block, uint32_t offset) {
  return {block.shared() + offset, &block, offset};
}

}  // namespace

GlobalSide TensorSide(const Warp& warp, const BulkExtra& extra, int lane) {
  const uint64_t address = GlobalAddress(warp, extra.global, lane);
  if (address % kMapAlignment != 0) {
    throw Fault(FaultKind::kMisaligned, lane, "a tensor map is not at a multiple of 64 bytes");
  }
  GlobalSide side;
  side.is_box = true;
  std::memcpy(&side.map, warp.GenericPointer(address, sizeof(TensorMap), lane), sizeof(TensorMap));
  const std::string wrong = CheckBox(side.map);
  if (!wrong.empty()) throw Fault(FaultKind::kIllegalOperation, lane, wrong);
  if (side.map.rank != extra.rank) {
    throw Fault(FaultKind::kIllegalOperation, lane,
                std::to_string(extra.rank) + " coordinates for a tensor map of rank " +
                    std::to_string(side.map.rank));
  }
  for (uint32_t d = 0; d < extra.rank; ++d) {
    side.at.at[d] = warp.Lanes<int32_t>(extra.coordinates[d])[lane];
  }
  side.bytes = side.map.box_bytes();
  return side;
}

uint32_t BulkSize(const Warp& warp, const BulkExtra& extra, int lane) {
  const uint32_t bytes = warp.Lanes<uint32_t>(extra.size)[lane];
  if (bytes % kBulkAlignment != 0) Misaligned(lane, "the size", bytes);
  return bytes;
}

GlobalSide LinearSide(const Warp& warp, const BulkExtra& extra, int lane) {
  GlobalSide side;
  side.bytes = BulkSize(warp, extra, lane);
  side.address = GlobalAddress(warp, extra.global, lane);
  if (side.address % kBulkAlignment != 0) Misaligned(lane, "the global address", side.address);
  return side;
}

std::vector<BulkLoad::Target> LoadTargets(const Warp& warp, const BulkExtra& extra, uint32_t bytes,
                                          uint32_t alignment, int lane) {
  const uint32_t to = SharedAddress(warp, extra.shared, lane);
  const uint32_t mbarrier = SharedAddress(warp, extra.mbarrier, lane);
  BulkLoad::Target given;
  given.to = FindShared(warp, to, bytes, alignment, lane, "a bulk copy's destination");
  given.mbarrier = FindShared(warp, mbarrier, Mbarrier::kBytes, Mbarrier::kBytes, lane,
                              "a bulk copy's mbarrier");
  if (given.to.owner != given.mbarrier.owner) {
    throw Fault(FaultKind::kIllegalOperation, lane,
                "a bulk copy's destination and mbarrier are in different blocks of the cluster");
  }
  if (extra.multicast == kNoSlot) return {given};
  const std::vector<Block*>& blocks = warp.block().cluster()->blocks;
  const uint32_t mask = warp.Lanes<uint32_t>(extra.multicast)[lane] & 0xffff;
  if (mask == 0 || mask >> blocks.size() != 0) {
    throw Fault(FaultKind::kIllegalOperation, lane,
                "a multicast mask of " + std::to_string(mask) + " in a cluster of " +
                    std::to_string(blocks.size()));
  }
  std::vector<BulkLoad::Target> targets;
  for (size_t rank = 0; rank < blocks.size(); ++rank) {
    if ((mask >> rank & 1) == 0) continue;
    // Through the checked path: the block may have exited.
    const auto peer = static_cast<uint32_t>(rank);
    FindShared(warp, ClusterSharedAddress(given.to.offset, peer), bytes, alignment, lane,
               "a bulk copy's destination");
    targets.push_back(
        {PieceOf(*blocks[rank], given.to.offset), PieceOf(*blocks[rank], given.mbarrier.offset)});
  }
  return targets;
}

void PostLoad(Warp& warp, std::shared_ptr<BulkLoad> load) {
  warp.Progress();
  warp.block().gang().async.Post(std::move(load));
}

void PostStore(Warp& warp, int lane, std::shared_ptr<BulkStore> store) {
  warp.Progress();
  warp.bulk_groups(lane).Add(store);
  warp.block().gang().async.Post(std::move(store));
}

void BindTensor(const ParsedInstruction& instruction, KernelBuilder& builder,
                const Operand& operand, BulkExtra* extra) {
  // The coordinates are one vector, or (the parser's form) the elements of the memory operand.
  const Operand* list = &operand;
  if (operand.elements.size() == 1 && operand.elements[0].kind == Operand::Kind::kVector) {
    list = &operand.elements[0];
  }
  if (operand.kind != Operand::Kind::kMemory || list->elements.size() != extra->rank) {
    builder.Fail(instruction,
                 "expected a tensor map with " + std::to_string(extra->rank) + " coordinates");
  }
  extra->global = builder.Address(operand, MemorySpace::kGlobal);
  for (uint32_t d = 0; d < extra->rank; ++d) {
    extra->coordinates[d] = builder.Source32(list->elements[d]);
  }
}

}  // namespace emu
