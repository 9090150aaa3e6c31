#include "emulator/ptx/tma_copy.h"

#include <cstring>
#include <string>
#include <utility>

#include "emulator/ptx/kernel.h"
#include "emulator/ptx/memory_registry.h"

namespace emu {

void GlobalSide::Gather(std::byte* image) const {
  if (is_box) return GatherGlobal(map, at, image);
  std::memcpy(image, reinterpret_cast<const void*>(address), bytes);
}

void GlobalSide::Scatter(const std::byte* image) const {
  if (is_box) return ScatterGlobal(map, at, image);
  std::memcpy(reinterpret_cast<void*>(address), image, bytes);
}

void GlobalSide::Reduce(BulkReduction reduction, TensorType type, const std::byte* image) const {
  if (!is_box) {
    return ReduceElements(reduction, type, reinterpret_cast<std::byte*>(address), image, bytes);
  }
  const BoxRows rows(map, at);
  for (uint32_t i = 0; i < rows.num_rows(); ++i) {
    const BoxRow row = rows.row(i);
    if (row.body == 0) continue;
    ReduceElements(reduction, type, reinterpret_cast<std::byte*>(row.address),
                   image + row.image_offset + row.head, row.body);
  }
}

std::string BulkIssuer::Where() const {
  const Block& block = warp->block();
  const Dim3& at = block.position();
  return "a bulk copy issued by block (" + std::to_string(at.x) + "," + std::to_string(at.y) + "," +
         std::to_string(at.z) + ") thread " +
         std::to_string(warp->index() * kWarpSize + static_cast<uint32_t>(lane)) + ", PTX line " +
         std::to_string(op->line) + ": " + std::string(warp->kernel().LineText(op->line));
}

void BulkOperation::CheckGlobal(const GlobalSide& side) const {
  if (!issuer_.warp->block().launch().options->memcheck) return;
  side.ForEachRange([&](uint64_t address, uint32_t bytes) {
    if (!IsLiveMemory(address, bytes)) throw DescribeBadAccess(address, bytes, issuer_.lane);
  });
}

void BulkOperation::Announce(AsyncId id, AccessKind kind, const GlobalSide& side) const {
  if (observer() == nullptr) return;
  side.ForEachRange([&](uint64_t address, uint32_t bytes) {
    observer()->OnAsyncAccess(id, kind, Proxy::kAsync,
                              {MemorySpace::kGlobal, nullptr, address, bytes});
  });
}

void BulkOperation::Announce(AsyncId id, AccessKind kind, const SharedPiece& piece, uint32_t bytes,
                             Proxy proxy) const {
  if (observer() != nullptr) observer()->OnAsyncAccess(id, kind, proxy, piece.At(bytes));
}

AsyncId BulkOperation::Issue() const {
  if (observer() == nullptr) return 0;
  return observer()->OnAsyncIssue(*issuer_.warp, LaneMask{1} << issuer_.lane, AsyncKind::kBulkCopy);
}

BulkLoad::BulkLoad(const BulkIssuer& issuer, const GlobalSide& from, std::vector<Target> targets)
    : BulkOperation(issuer), from_(from), targets_(std::move(targets)) {
  id_ = Issue();
}

BulkLoad::BulkLoad(const BulkIssuer& issuer, const SharedPiece& from, uint32_t bytes,
                   std::vector<Target> targets, BulkReduction reduction, TensorType type)
    : BulkOperation(issuer),
      source_(Source::kShared),
      shared_from_(from),
      targets_(std::move(targets)),
      reduction_(reduction),
      type_(type) {
  from_.bytes = bytes;
  id_ = Issue();
}

BulkLoad::BulkLoad(const BulkIssuer& issuer, std::vector<std::byte> values, const Target& target,
                   BulkReduction reduction, TensorType type)
    : BulkOperation(issuer),
      source_(Source::kRegisters),
      targets_({target}),
      reduction_(reduction),
      type_(type) {
  from_.bytes = static_cast<uint32_t>(values.size());
  image_ = std::move(values);
  id_ = Issue();
}

void BulkLoad::Read() {
  if (source_ == Source::kRegisters) return;
  image_.resize(from_.bytes);
  if (source_ == Source::kShared) {
    Announce(id_, AccessKind::kLoad, shared_from_, from_.bytes);
    std::memcpy(image_.data(), shared_from_.pointer, from_.bytes);
    return;
  }
  CheckGlobal(from_);
  Announce(id_, AccessKind::kLoad, from_);
  from_.Gather(image_.data());
  if (observer() != nullptr) observer()->OnBulkBytes(from_.bytes, /*load=*/true);
}

void BulkLoad::Write(const Target& target) {
  const bool reduces = reduction_ != BulkReduction::kNone;
  Announce(id_, reduces ? AccessKind::kAtomic : AccessKind::kStore, target.to, from_.bytes,
           source_ == Source::kRegisters ? Proxy::kGeneric : Proxy::kAsync);
  if (reduces) {
    ReduceElements(reduction_, type_, target.to.pointer, image_.data(), from_.bytes);
  } else if (from_.is_box) {
    ScatterShared(from_.map, image_.data(), target.to.owner->shared(), target.to.offset);
  } else {
    std::memcpy(target.to.pointer, image_.data(), from_.bytes);
  }
  const Location mbarrier = target.mbarrier.At(Mbarrier::kBytes);
  if (observer() != nullptr) observer()->OnAsyncArrive(id_, mbarrier);
  const bool ended = Mbarrier(target.mbarrier.pointer).CompleteTransactions(from_.bytes);
  if (ended && observer() != nullptr) observer()->OnMbarrierPhase(mbarrier);
}

void BulkLoad::Perform() {
  Guarded([&] {
    Read();
    for (const Target& target : targets_) Write(target);
  });
  issuer_.warp->Progress();
}

BulkStore::BulkStore(const BulkIssuer& issuer, const SharedPiece& from, const GlobalSide& to,
                     BulkReduction reduction, TensorType type)
    : BulkOperation(issuer), from_(from), to_(to), reduction_(reduction), type_(type) {
  read_id_ = Issue();
  write_id_ = Issue();
}

void BulkStore::FinishReading() {
  if (has_read_) return;
  has_read_ = true;
  Guarded([&] {
    Announce(read_id_, AccessKind::kLoad, from_, to_.bytes);
    image_.resize(to_.bytes);
    if (to_.is_box) {
      GatherShared(to_.map, from_.owner->shared(), from_.offset, image_.data());
    } else {
      std::memcpy(image_.data(), from_.pointer, to_.bytes);
    }
  });
}

void BulkStore::Perform() {
  FinishReading();
  Guarded([&] {
    CheckGlobal(to_);
    const bool reduces = reduction_ != BulkReduction::kNone;
    Announce(write_id_, reduces ? AccessKind::kAtomic : AccessKind::kStore, to_);
    if (reduces) {
      to_.Reduce(reduction_, type_, image_.data());
    } else {
      to_.Scatter(image_.data());
    }
    if (observer() != nullptr) observer()->OnBulkBytes(to_.bytes, /*load=*/false);
  });
  image_ = {};
  issuer_.warp->Progress();
}

void BulkStore::WaitedForReading() {
  if (waited_for_reading_) return;
  waited_for_reading_ = true;
  if (observer() == nullptr) return;
  observer()->OnAsyncWaited(read_id_, *issuer_.warp, LaneMask{1} << issuer_.lane);
}

void BulkStore::Waited() {
  WaitedForReading();
  if (observer() == nullptr) return;
  observer()->OnAsyncWaited(write_id_, *issuer_.warp, LaneMask{1} << issuer_.lane);
}

}  // namespace emu
