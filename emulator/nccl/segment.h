// The shared memory of one communicator, and how the ranks find it.
//
// It is an anonymous memory file of the process that called ncclGetUniqueId; the id names that
// process and its descriptor, and the other ranks open it through /proc. It never has a name in a
// file system, so nothing can outlive the processes, however they end. As with the real library,
// the process that made the id must live until all ranks have joined.
//
// Layout: SharedHeader, RankBlock[num_ranks], Channel[num_ranks * num_ranks]. New memory is zeros,
// which is a valid beginning of every part; untouched channels cost no memory.
#ifndef SWITCHYARD_EMULATOR_NCCL_SEGMENT_H_
#define SWITCHYARD_EMULATOR_NCCL_SEGMENT_H_

#include <nccl.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "emulator/nccl/bulletin.h"
#include "emulator/nccl/channel.h"
#include "emulator/nccl/doorbell.h"
#include "emulator/nccl/operation.h"
#include "emulator/nccl/outcome.h"
#include "emulator/nccl/process_identity.h"

namespace emu {

inline constexpr int kMaxRanks = 64;

struct SharedHeader {
  uint64_t nonce;                       // the id's, written before anybody may open the segment
  std::atomic<int32_t> num_ranks;       // 0 until the first rank has said it
  std::atomic<int32_t> num_joined;      // ranks that have mapped the segment for good
  std::atomic<uint32_t> failure_taken;  // 1 once a rank has begun to write a failure
  std::atomic<uint32_t> failure_code;   // ncclResult_t, written after the text
  std::array<char, 1024> failure_text;  // what ended the communicator for all ranks
};

// Arriving: the place is taken, what the block says about the process is not complete yet.
enum class Presence : uint32_t { kAbsent, kArriving, kJoined, kDestroyed, kAborted };

// What one rank says to all others at a split.
struct SplitPage {
  int32_t color;
  int32_t key;
  ncclUniqueId id;  // of a communicator to be made; only that of a colour's first rank is used
};

// What the first surviving rank says to the other survivors of a shrink.
struct ShrinkOffer {
  std::atomic<uint64_t> key;  // names the set of survivors; 0: no offer
  ncclUniqueId id;            // valid while key is not 0
};

struct RankBlock {
  Doorbell doorbell;
  std::atomic<Presence> presence;
  int32_t device;  // valid once joined, as is the next
  ProcessIdentity process;
  Bulletin<Signature> signatures;
  Bulletin<SplitPage> splits;
  ShrinkOffer shrink;
};

class Segment {
 public:
  // Makes the memory and the id that names it. The memory is kept until all ranks have joined, or
  // the process ends.
  static Outcome Create(ncclUniqueId* id);

  // Lets go of what Create keeps for ids whose ranks have all joined by now.
  static void ReleaseComplete();

  // Maps the memory that `id` names for `num_ranks` ranks. Fails where its maker is gone, or other
  // ranks named another number.
  static Outcome Open(const ncclUniqueId& id, int num_ranks, std::unique_ptr<Segment>* segment);

  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  int num_ranks() const { return num_ranks_; }
  uint64_t nonce() const { return header().nonce; }
  SharedHeader& header() const;
  RankBlock& rank(int rank) const;
  Channel& channel(int from, int to) const;

  void RingAll() const;

 private:
  Segment(std::byte* base, size_t bytes, int num_ranks)
      : base_(base), bytes_(bytes), num_ranks_(num_ranks) {}

  std::byte* const base_;
  const size_t bytes_;
  const int num_ranks_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_SEGMENT_H_
