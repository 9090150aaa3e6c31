// The race detector's memory of memory: who wrote each byte last and who has read it since.
//
// A page's cells stand for as many bytes as its first access is aligned to (up to 128: TMA and
// wgmma go in large steps); where a smaller access is seen, the page's cells are split to its size,
// so that neighbours are never confused. Each cell keeps its last writer and, since that write, its
// readers (of one warp and epoch: one entry with a lane mask).
//
// Owner: a domain (shared memory) or the detector (global memory). Thread: the launch's.
#ifndef SWITCHYARD_EMULATOR_PTX_RACE_CELL_H_
#define SWITCHYARD_EMULATOR_PTX_RACE_CELL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/observer.h"
#include "emulator/ptx/race_clock.h"

namespace emu {

// How an access is made; bits.
enum RaceFlags : uint8_t {
  kRaceWrite = 1,
  kRaceAtomic = 2,   // atomics, volatile and relaxed or stronger accesses: no race among each other
  kRaceAsync = 4,    // through the async proxy
  kRaceCopy = 8,     // by cp.async, which its thread must wait for itself
  kRaceModify = 16,  // a write that reads too
};

// Of a thread's access through the generic proxy.
inline uint8_t RaceFlagsOf(AccessKind kind, Order order) {
  const bool strong = order != Order::kWeak || kind == AccessKind::kAtomic;
  uint8_t flags = strong ? kRaceAtomic : 0;
  if (kind != AccessKind::kLoad) flags |= kRaceWrite;
  if (kind == AccessKind::kAtomic) flags |= kRaceModify;
  return flags;
}

// Who accesses, and what it knows.
struct RaceActor {
  uint32_t domain = 0;
  uint32_t index = 0;
  uint32_t epoch = 0;
  const Clock* clock = nullptr;
  uint32_t fenced = 0;       // own epochs up to this one are visible to the async proxy
  uint32_t copy_index = 0;   // of the thread's own cp.async copies; 0: none
  uint32_t copies_done = 0;  // how many of those it has waited for
  uint32_t copies_fenced = 0;
  // What its writes are recorded as: itself, or its copies.
  uint32_t write_index = 0;
  uint32_t write_epoch = 0;
  uint32_t line = 0;  // PTX line, for reports
};

// Two accesses without an order. `before` is the one recorded earlier.
struct RaceConflict {
  uint32_t domain = 0;
  uint32_t index = 0;
  uint8_t flags = 0;
  uint32_t line = 0;
  uint64_t address = 0;     // of the first byte concerned
  bool only_proxy = false;  // ordered, but a fence.proxy.async is missing
};

struct RaceCell {
  uint32_t write_domain = 0;  // 0: not written
  uint32_t write_epoch = 0;
  uint32_t write_line = 0;
  uint16_t write_index = 0;
  uint8_t write_flags = 0;
  struct Readers {
    uint32_t domain = 0;
    uint32_t epoch = 0;
    uint32_t lanes = 0;  // indices warp * 32 + bit; 0: free
    uint32_t line = 0;
    uint16_t warp = 0;
    uint8_t flags = 0;
    bool Same(const RaceActor& actor, uint8_t f) const {
      return warp == actor.index / 32 && domain == actor.domain && flags == f;
    }
  };
  Readers readers;
  uint32_t more = 0;  // 1 + index of the page's node with further readers; 0: none
};

class RaceCells {
 public:
  // max_readers bounds the entries per cell: behind it the oldest are forgotten (global memory,
  // where thousands of blocks read one weight).
  explicit RaceCells(uint32_t max_readers) : max_readers_(max_readers) {}

  // Records an access to [address, address + bytes); the first conflict, if there is one.
  std::optional<RaceConflict> Access(const RaceActor& actor, uint64_t address, uint32_t bytes,
                                     uint8_t flags);
  void Clear();

 private:
  static constexpr uint32_t kPageShift = 10;
  static constexpr uint32_t kPageBytes = 1u << kPageShift;
  struct Node {
    RaceCell::Readers readers;
    uint32_t next = 0;
  };
  static constexpr uint32_t kMaxShift = 7;
  struct Page {
    explicit Page(uint32_t cell_shift) : shift(cell_shift), cells(kPageBytes >> cell_shift) {}
    uint32_t shift;  // log2 of a cell's bytes
    std::vector<RaceCell> cells;
    std::vector<Node> nodes;
    uint32_t free_nodes = 0;
    uint32_t victim = 0;
  };

  // The page of an address, its cells not larger than 2^shift bytes.
  Page& PageAt(uint64_t address, uint32_t shift);
  static void Split(Page& page, uint32_t shift);
  bool Check(const Page& page, const RaceCell& cell, const RaceActor& actor, uint8_t flags,
             RaceConflict* conflict) const;
  bool ReadersOrdered(const Page& page, const RaceCell& cell, const RaceActor& actor, uint8_t flags,
                      RaceConflict* conflict) const;
  static void RecordWrite(Page& page, RaceCell& cell, const RaceActor& actor, uint8_t flags);
  void RecordRead(Page& page, RaceCell& cell, const RaceActor& actor, uint8_t flags);
  void RecordOtherRead(Page& page, RaceCell& cell, const RaceCell::Readers& mine);
  void AddReader(Page& page, RaceCell& cell, const RaceCell::Readers& readers);

  uint32_t max_readers_;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
  uint64_t last_number_ = ~uint64_t{0};
  Page* last_page_ = nullptr;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_RACE_CELL_H_
