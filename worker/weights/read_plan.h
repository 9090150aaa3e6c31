// Which stretches of which files bring a set of ranges into memory, in the order of the disk. Pure:
// touches no file.
//
// Ranges of whole rows become extents: neighbours in a file are one extent, cut into pieces of a
// bounded size. An extent is read directly, past the page cache, where that pays: it is then
// widened to whole blocks, and its ranges lie inside it. Ranges of some columns are runs with gaps,
// which other ranks read: they go through the page cache (ReadOp says how).
#ifndef SWITCHYARD_WORKER_WEIGHTS_READ_PLAN_H_
#define SWITCHYARD_WORKER_WEIGHTS_READ_PLAN_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/units.h"
#include "worker/weights/tensor_range.h"

namespace switchyard::worker {

// Offsets, lengths and memory of direct reads are multiples of it: what every disk accepts.
inline constexpr int64_t kDirectBlock = 4096;

struct WantedRange {
  TensorRange range;
  // Other ranks of this host want it, too: it is read through the page cache, which asks the disk
  // once for all of them.
  bool shared = false;
};

// `runs` stretches of `run_bytes`, `run_stride` apart in the file, one behind the other in staging
// memory.
struct ReadPiece {
  int32_t file = 0;
  bool direct = false;
  int64_t offset = 0;  // in the file
  int64_t run_bytes = 0;
  int64_t runs = 1;
  int64_t run_stride = 0;
  int64_t staging = 0;  // offset of its first byte in staging memory
  // Of num_bytes(), as many are wanted: what the last block of a direct extent has more may not be.
  int64_t wanted_bytes = 0;

  int64_t num_bytes() const { return run_bytes * runs; }
};

struct ReadPlan {
  std::vector<ReadPiece> pieces;  // ascending file and offset
  std::vector<int64_t> places;    // of each wanted range in staging memory
  int64_t staging_bytes = 0;
  int64_t num_bytes = 0;         // of all pieces
  int64_t num_direct_bytes = 0;  // of these, by direct reads
};

struct ReadPlanOptions {
  bool direct = false;
  int64_t piece_bytes = 4 * kMiB;
  // Smaller extents go through the page cache: block borders would cost more than they save.
  int64_t least_direct_bytes = 512 * kKiB;
};

// Pieces of direct extents may end behind the file's end, at the end of its last block. REQUIRES:
// ranges inside their tensors.
ReadPlan PlanReads(std::span<const WantedRange> wanted, const ReadPlanOptions& options);

// Staging memory that PlanReads needs at most.
int64_t MaxStagingBytes(const TensorRange& range);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_READ_PLAN_H_
