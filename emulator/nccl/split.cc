#include "emulator/nccl/split.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace emu {
namespace {

const Outcome kInterrupted = {ncclInternalError,
                              "the communicator ended while ranks agreed on its successor"};

// Every rank's page of the next round.
bool Gather(Communicator* parent, const SplitPage& mine, const ncclComm* child,
            std::vector<SplitPage>* pages) {
  Segment& segment = parent->segment();
  const uint64_t round = parent->NextSplitRound();
  segment.rank(parent->rank()).splits.Publish(round, mine);
  segment.RingAll();
  const auto aborted = [child] { return child != nullptr && child->abort_requested(); };
  int next = 0;  // ranks before it have published
  const bool waited = parent->AwaitUnlessAborted(
      [&] {
        while (next < parent->num_ranks() && segment.rank(next).splits.Has(round)) ++next;
        return next == parent->num_ranks() || aborted();
      },
      true);
  if (!waited || next < parent->num_ranks()) return false;
  pages->clear();
  for (int r = 0; r < parent->num_ranks(); ++r) {
    pages->push_back(segment.rank(r).splits.Read(round));
  }
  return true;
}

// The parent's ranks of one colour, in the child's order.
std::vector<int> MembersOf(int color, const std::vector<SplitPage>& pages) {
  std::vector<int> members;
  for (size_t r = 0; r < pages.size(); ++r) {
    if (pages[r].color == color) members.push_back(static_cast<int>(r));
  }
  std::stable_sort(members.begin(), members.end(), [&](int a, int b) {
    return pages[static_cast<size_t>(a)].key < pages[static_cast<size_t>(b)].key;
  });
  return members;
}

std::shared_ptr<Communicator> MakeChild(const Communicator& parent, const std::vector<int>& members,
                                        ncclComm* handle) {
  const auto self = std::find(members.begin(), members.end(), parent.rank());
  auto child = std::make_shared<Communicator>(static_cast<int>(self - members.begin()),
                                              static_cast<int>(members.size()), parent.device(),
                                              parent.options());
  handle->set_core(child);
  return child;
}

// Not zero, and the same for equal sets.
uint64_t KeyOf(std::vector<int> excluded) {
  std::sort(excluded.begin(), excluded.end());
  uint64_t key = 0xcbf29ce484222325;
  for (const int rank : excluded) key = (key ^ static_cast<uint64_t>(rank)) * 0x100000001b3;
  return key | 1;
}

}  // namespace

Outcome RunSplit(const std::shared_ptr<Communicator>& parent, int color, int key, ncclComm* child) {
  std::vector<SplitPage> pages;
  SplitPage mine = {.color = color, .key = key, .id = {}};
  if (!Gather(parent.get(), mine, child, &pages)) return kInterrupted;
  const std::vector<int> members = MembersOf(color, pages);
  const bool joins = color != NCCL_SPLIT_NOCOLOR;
  Outcome made;
  if (joins && members[0] == parent->rank()) made = Segment::Create(&mine.id);
  if (!Gather(parent.get(), mine, child, &pages)) return kInterrupted;
  if (!joins || !made.ok()) return made;
  return MakeChild(*parent, members, child)
      ->Join(pages[static_cast<size_t>(members[0])].id, nullptr);
}

Outcome RunShrink(const std::shared_ptr<Communicator>& parent, const std::vector<int>& excluded,
                  ncclComm* child) {
  std::vector<int> members;
  for (int r = 0; r < parent->num_ranks(); ++r) {
    if (std::find(excluded.begin(), excluded.end(), r) == excluded.end()) members.push_back(r);
  }
  // The parent's bulletins are of no use, for the excluded ranks may be dead: the first survivor
  // offers an id to those who name the same set, and takes the offer back before anybody goes on.
  ShrinkOffer& offer = parent->segment().rank(members[0]).shrink;
  const uint64_t key = KeyOf(excluded);
  if (members[0] == parent->rank()) {
    ncclUniqueId id;
    if (Outcome made = Segment::Create(&id); !made.ok()) return made;
    offer.id = id;
    offer.key.store(key, std::memory_order_release);
    parent->segment().RingAll();
    return MakeChild(*parent, members, child)->Join(id, [&offer] { offer.key.store(0); });
  }
  const bool waited = parent->AwaitUnlessAborted(
      [&] { return offer.key.load(std::memory_order_acquire) == key || child->abort_requested(); },
      false);
  if (!waited || child->abort_requested()) return kInterrupted;
  const ncclUniqueId id = offer.id;
  return MakeChild(*parent, members, child)->Join(id, nullptr);
}

}  // namespace emu
