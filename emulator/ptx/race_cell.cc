#include "emulator/ptx/race_cell.h"

#include <algorithm>
#include <bit>

namespace emu {
namespace {

uint32_t Seen(const RaceActor& actor, uint32_t domain, uint32_t index) {
  if (domain == actor.domain) return actor.clock->seen(index);
  const Clock* foreign = actor.clock->Foreign(domain);
  return foreign == nullptr ? 0 : foreign->seen(index);
}

uint32_t Fenced(const RaceActor& actor, uint32_t domain, uint32_t index) {
  if (domain == actor.domain) return actor.clock->fenced(index);
  const Clock* foreign = actor.clock->Foreign(domain);
  return foreign == nullptr ? 0 : foreign->fenced(index);
}

// Lanes of one warp that store to one place in one instruction: one of them wins, by definition.
bool SameInstruction(const RaceCell& cell, const RaceActor& actor, uint8_t flags) {
  return flags == kRaceWrite && cell.write_flags == kRaceWrite &&
         cell.write_domain == actor.domain && cell.write_index / 32 == actor.index / 32 &&
         cell.write_epoch == actor.epoch && cell.write_line == actor.line;
}

// Whether the cell's last write is ordered before the actor; *only_proxy: it is, but the async
// proxy may not see it yet.
bool WriteOrdered(const RaceCell& cell, const RaceActor& actor, uint8_t flags, bool* only_proxy) {
  const bool own_domain = cell.write_domain == actor.domain;
  const bool crosses = (flags & kRaceAsync) != 0 && (cell.write_flags & kRaceAsync) == 0;
  uint32_t seen;
  uint32_t fenced = 0;
  if (own_domain && cell.write_index == actor.index) {
    seen = actor.epoch;  // a copy that is performed late is not after what its thread did since
    fenced = actor.fenced;
  } else if (own_domain && actor.copy_index != 0 && cell.write_index == actor.copy_index) {
    // It has waited for its copies itself, or learnt of their end through an mbarrier.
    seen = std::max(actor.copies_done, actor.clock->seen(cell.write_index));
    fenced = std::max(actor.copies_fenced, actor.clock->fenced(cell.write_index));
  } else {
    seen = Seen(actor, cell.write_domain, cell.write_index);
    if (crosses) fenced = Fenced(actor, cell.write_domain, cell.write_index);
  }
  if (seen < cell.write_epoch) return false;
  *only_proxy = crosses && fenced < cell.write_epoch;
  return !*only_proxy;
}

// The lowest lane of `readers` that is not ordered before the actor; -1: all are.
int UnorderedReader(const RaceCell::Readers& readers, const RaceActor& actor) {
  const uint32_t base = uint32_t{readers.warp} * 32;
  uint32_t lanes = readers.lanes;
  if (readers.domain == actor.domain && actor.index / 32 == readers.warp &&
      readers.epoch <= actor.epoch) {
    lanes &= ~(1u << actor.index % 32);
  }
  const Clock* clock =
      readers.domain == actor.domain ? actor.clock : actor.clock->Foreign(readers.domain);
  while (lanes != 0) {
    const int lane = std::countr_zero(lanes);
    lanes &= lanes - 1;
    if (clock == nullptr || clock->seen(base + lane) < readers.epoch) return lane;
  }
  return -1;
}

}  // namespace

void RaceCells::Clear() {
  pages_.clear();
  last_number_ = ~uint64_t{0};
  last_page_ = nullptr;
}

RaceCells::Page& RaceCells::PageAt(uint64_t address, uint32_t shift) {
  const uint64_t number = address >> kPageShift;
  if (number != last_number_) {
    std::unique_ptr<Page>& page = pages_[number];
    if (!page) page = std::make_unique<Page>(shift);
    last_number_ = number;
    last_page_ = page.get();
  }
  if (shift < last_page_->shift) Split(*last_page_, shift);
  return *last_page_;
}

void RaceCells::Split(Page& page, uint32_t shift) {
  const uint32_t parts = 1u << (page.shift - shift);
  std::vector<RaceCell> cells;
  cells.reserve(page.cells.size() * parts);
  for (const RaceCell& cell : page.cells) {
    for (uint32_t part = 0; part < parts; ++part) {
      RaceCell& copy = cells.emplace_back(cell);
      if (part == 0 || cell.more == 0) continue;
      copy.more = 0;
      for (uint32_t at = cell.more; at != 0; at = page.nodes[at - 1].next) {
        page.nodes.push_back({page.nodes[at - 1].readers, copy.more});
        copy.more = page.nodes.size();
      }
    }
  }
  page.cells = std::move(cells);
  page.shift = shift;
}

inline bool RaceCells::Check(const Page& page, const RaceCell& cell, const RaceActor& actor,
                             uint8_t flags, RaceConflict* conflict) const {
  const bool atomic = (flags & kRaceAtomic) != 0;
  if (cell.write_domain != 0 && !(atomic && (cell.write_flags & kRaceAtomic)) &&
      !SameInstruction(cell, actor, flags) &&
      !WriteOrdered(cell, actor, flags, &conflict->only_proxy)) {
    conflict->domain = cell.write_domain;
    conflict->index = cell.write_index;
    conflict->flags = cell.write_flags;
    conflict->line = cell.write_line;
    return false;
  }
  if (!(flags & kRaceWrite) || (cell.readers.lanes == 0 && cell.more == 0)) return true;
  return ReadersOrdered(page, cell, actor, flags, conflict);
}

bool RaceCells::ReadersOrdered(const Page& page, const RaceCell& cell, const RaceActor& actor,
                               uint8_t flags, RaceConflict* conflict) const {
  const bool atomic = (flags & kRaceAtomic) != 0;
  const RaceCell::Readers* readers = &cell.readers;
  uint32_t next = cell.more;
  for (;;) {
    if (readers->lanes != 0 && !(atomic && (readers->flags & kRaceAtomic))) {
      const int lane = UnorderedReader(*readers, actor);
      if (lane >= 0) {
        conflict->domain = readers->domain;
        conflict->index = readers->warp * 32u + lane;
        conflict->flags = readers->flags;
        conflict->line = readers->line;
        return false;
      }
    }
    if (next == 0) return true;
    readers = &page.nodes[next - 1].readers;
    next = page.nodes[next - 1].next;
  }
}

inline void RaceCells::RecordWrite(Page& page, RaceCell& cell, const RaceActor& actor,
                                   uint8_t flags) {
  cell.write_domain = actor.domain;
  cell.write_epoch = actor.write_epoch;
  cell.write_line = actor.line;
  cell.write_index = static_cast<uint16_t>(actor.write_index);
  cell.write_flags = flags;
  cell.readers.lanes = 0;
  while (cell.more != 0) {
    Node& node = page.nodes[cell.more - 1];
    const uint32_t next = node.next;
    node.next = page.free_nodes;
    page.free_nodes = cell.more;
    cell.more = next;
  }
}

inline void RaceCells::RecordRead(Page& page, RaceCell& cell, const RaceActor& actor,
                                  uint8_t flags) {
  const uint32_t bit = 1u << actor.index % 32;
  if (cell.readers.Same(actor, flags) && cell.readers.epoch == actor.epoch) {
    cell.readers.lanes |= bit;
    // A lane has one entry per cell; an older one in the list behind would only repeat this.
    return;
  }
  const RaceCell::Readers mine = {.domain = actor.domain,
                                  .epoch = actor.epoch,
                                  .lanes = bit,
                                  .line = actor.line,
                                  .warp = static_cast<uint16_t>(actor.index / 32),
                                  .flags = flags};
  if (cell.readers.lanes == 0 && cell.more == 0) {
    cell.readers = mine;
  } else {
    RecordOtherRead(page, cell, mine);
  }
}

void RaceCells::RecordOtherRead(Page& page, RaceCell& cell, const RaceCell::Readers& mine) {
  RaceCell::Readers* reusable = nullptr;
  RaceCell::Readers* readers = &cell.readers;
  uint32_t next = cell.more;
  for (;;) {
    if (readers->lanes == 0) {
      reusable = readers;
    } else if (readers->warp == mine.warp && readers->domain == mine.domain &&
               readers->flags == mine.flags) {
      if (readers->epoch == mine.epoch) {
        readers->lanes |= mine.lanes;
        return;
      }
      readers->lanes &= ~mine.lanes;
      if (readers->lanes == 0) reusable = readers;
    }
    if (next == 0) break;
    readers = &page.nodes[next - 1].readers;
    next = page.nodes[next - 1].next;
  }
  if (reusable != nullptr) {
    *reusable = mine;
  } else {
    AddReader(page, cell, mine);
  }
}

void RaceCells::AddReader(Page& page, RaceCell& cell, const RaceCell::Readers& readers) {
  uint32_t count = 1;
  for (uint32_t at = cell.more; at != 0; at = page.nodes[at - 1].next) ++count;
  if (count >= max_readers_) {
    uint32_t skip = page.victim++ % count;
    RaceCell::Readers* victim = &cell.readers;
    for (uint32_t at = cell.more; skip != 0; --skip, at = page.nodes[at - 1].next) {
      victim = &page.nodes[at - 1].readers;
    }
    *victim = readers;
    return;
  }
  if (page.free_nodes == 0) {
    page.nodes.push_back({readers, cell.more});
    cell.more = page.nodes.size();
    return;
  }
  const uint32_t at = page.free_nodes;
  page.free_nodes = page.nodes[at - 1].next;
  page.nodes[at - 1] = {readers, cell.more};
  cell.more = at;
}

std::optional<RaceConflict> RaceCells::Access(const RaceActor& actor, uint64_t address,
                                              uint32_t bytes, uint8_t flags) {
  const uint64_t end = address + bytes;
  while (address < end) {
    const uint64_t page_end = std::min(end, (address / kPageBytes + 1) * kPageBytes);
    Page& page = PageAt(address, std::countr_zero(address | page_end | 1u << kMaxShift));
    RaceCell* cell = &page.cells[address % kPageBytes >> page.shift];
    RaceCell* last = cell + ((page_end - address) >> page.shift);
    for (; cell != last; ++cell) {
      RaceConflict conflict;
      if (!Check(page, *cell, actor, flags, &conflict)) {
        const uint64_t number = cell - page.cells.data();
        conflict.address = address / kPageBytes * kPageBytes + (number << page.shift);
        return conflict;
      }
      if (flags & kRaceWrite) {
        RecordWrite(page, *cell, actor, flags);
      } else {
        RecordRead(page, *cell, actor, flags);
      }
    }
    address = page_end;
  }
  return std::nullopt;
}

}  // namespace emu
