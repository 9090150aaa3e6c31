// Collective operations over one communicator: the world, or one tensor group. All are built here,
// once, on a single primitive that a backend supplies: every rank hands bytes to every other rank
// (local_collectives.h: threads; gloo_collectives.h: processes; nccl_collectives.h: GPUs).
//
// All ranks call the same operations in the same order with the same sizes (sizes per pair where an
// operation is uneven). Memory is the backend's: of the host, or of the GPU; outputs are complete
// when a call returns OK, on a GPU for what its stream does next. Thread: one caller at a time;
// Abort and progress from any thread. Errors end the communicator: every later call gives the first
// error again, at once.
//   UNAVAILABLE        a peer is lost; the message names the rank where it is known
//   DEADLINE_EXCEEDED  a peer did not come within the communicator's timeout
//   INTERNAL           ranks disagree on operation or sizes; the message says who (where the
//   backend can see it) CANCELLED          Abort was called
#ifndef SWITCHYARD_WORKER_PARALLEL_COLLECTIVES_H_
#define SWITCHYARD_WORKER_PARALLEL_COLLECTIVES_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::worker {

// How a rank joins a communicator.
struct CommunicatorOptions {
  // Names the communicator in the rendezvous table; unique per epoch and communicator, such as
  // "epoch-3/tensor-0". The same on all of its ranks.
  std::string name;
  int rank = 0;
  int size = 1;
  // How long to wait for peers while connecting.
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(30);
  // Asked several times a second, on any thread, while this rank waits for peers, who may be gone
  // without its noticing: true gives up connecting, with CANCELLED. May be empty.
  std::function<bool()> given_up;
  // How long one collective waits for a peer.
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
};

class Collectives {
 public:
  virtual ~Collectives() = default;
  Collectives(const Collectives&) = delete;
  Collectives& operator=(const Collectives&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  // out[r] = rank r's `in`, num_bytes each. `in` may be this rank's place in `out`.
  absl::Status AllGather(const void* in, void* out, int64_t num_bytes);
  // The same with num_bytes[r] bytes from rank r, packed one after another.
  absl::Status AllGatherV(const void* in, void* out, std::span<const int64_t> num_bytes);
  // out[r] = the block that rank r has in its `in` at this rank's index; num_bytes per block.
  absl::Status AllToAll(const void* in, void* out, int64_t num_bytes);
  // The same with send_bytes[r] bytes to and recv_bytes[r] bytes from rank r, packed one after
  // another. What rank a sends to rank b is what rank b receives from rank a.
  absl::Status AllToAllV(const void* in, std::span<const int64_t> send_bytes, void* out,
                         std::span<const int64_t> recv_bytes);
  // Numbers of every rank for every other one, which the hosts need: `sent`, i32 [size, n] in the
  // backend's memory, stays as it is until EndCounts; that hands it to the host, with what came
  // from each rank, [size, n] likewise. On a GPU it waits for these numbers, and for no op that was
  // issued behind a Fork before BeginCounts. REQUIRES: n <= kMostCounts; the two in pairs.
  static constexpr int64_t kMostCounts = 2;
  absl::Status BeginCounts(const int32_t* sent, int64_t n);
  absl::Status EndCounts(std::span<int32_t> sent, std::span<int32_t> received);
  // `data` of rank `root` to all.
  absl::Status Broadcast(void* data, int64_t num_bytes, int root);
  // Returns on no rank before all have called.
  absl::Status Barrier();

  // Floats of scratch that the reductions below need for n floats.
  int64_t ReduceScratchSize(int64_t n) const;
  // The largest of them for up to n floats on `size` ranks: what memory is planned by.
  static int64_t MaxReduceScratchSize(int size, int64_t n);
  // data[i] = the largest data[i] of all ranks. A NaN on any rank gives NaN.
  absl::Status AllReduceMax(float* data, int64_t n, std::span<float> scratch);
  // data[i] = the sum of all ranks' data[i] in the canonical order, the balanced binary tree (r0 +
  // r1) + (r2 + r3) ...: the bits of kernels' TreeSum over the gathered parts, alike on all ranks
  // and for every n. REQUIRES: size() is a power of two.
  absl::Status TreeAllReduce(float* data, int64_t n, std::span<float> scratch);

  // Whether calls can run beside ops: on a GPU, in a stream of their own.
  virtual bool overlaps() const { return false; }
  // Calls between Fork and Mark need nothing that ops issued after Fork write, and write nothing
  // that these use; what they bring is there for ops issued after Await of the same point. Where
  // nothing overlaps, all stays as it is without. No reductions between them. Fork and Mark come in
  // pairs; a point may be marked anew.
  static constexpr int kNumPoints = 5;
  virtual void Fork() {}
  virtual void Mark(int /*point*/) {}
  virtual void Await(int /*point*/) {}

  // Makes a pending call and all later ones fail; peers fail as they come to miss this rank.
  virtual void Abort() = 0;

  // Time spent in calls so far: moving bytes and waiting for peers. On a GPU, what the host takes
  // of it. For the thread that calls.
  std::chrono::nanoseconds time_in_calls() const { return time_in_calls_; }

  // Calls begun and calls ended so far; they differ while a call waits for peers. For liveness
  // reports.
  struct Progress {
    uint64_t started = 0;
    uint64_t finished = 0;
  };
  Progress progress() const {
    return {.started = started_.load(std::memory_order_relaxed),
            .finished = finished_.load(std::memory_order_relaxed)};
  }

 protected:
  // What this rank hands to one peer and takes from it. Zero bytes: nothing travels.
  struct Transfer {
    const void* send = nullptr;
    int64_t send_bytes = 0;
    void* recv = nullptr;
    int64_t recv_bytes = 0;
  };

  Collectives(int rank, int size);

  enum class Reduction { kSum, kMax };
  // Reduces size() parts, `stride` floats apart, by a balanced binary tree. Works in the backend's
  // memory; here, on the host. The parts may be overwritten; `out` may be one of them.
  virtual void ReduceTree(Reduction reduction, float* parts, int64_t stride, float* out, int64_t n);

 private:
  // Moves transfers[p] between this rank and rank p, for every p but this rank (whose entry is
  // empty). `name` is that of the operation.
  virtual absl::Status DoExchange(std::string_view name, std::span<const Transfer> transfers) = 0;
  // Within the backend's memory; here, on the host.
  virtual void CopyOwn(void* to, const void* from, int64_t num_bytes);
  // out[r] = the number that rank r has for this rank. Host memory with every backend.
  virtual absl::Status AllToAllCounts(std::span<const int32_t> in, std::span<int32_t> out);
  virtual absl::Status DoBeginCounts(const int32_t* sent, int64_t n);
  virtual absl::Status DoEndCounts(std::span<int32_t> sent, std::span<int32_t> received);

  absl::Status Exchange(std::string_view name);
  absl::Status AllReduce(Reduction reduction, float* data, int64_t n, std::span<float> scratch);
  bool ReducesByGather(int64_t n) const;

  const int rank_;
  const int size_;
  absl::Status failure_;                 // the first error
  std::vector<Transfer> transfers_;      // [size], of the call in progress
  std::vector<int64_t> slice_bytes_;     // [size], of a reduction
  std::vector<int32_t> barrier_counts_;  // [2, size]: sent, received
  std::vector<int32_t> counts_;          // [2, size, kMostCounts]: the same of BeginCounts
  int64_t num_counts_ = 0;               // n of it; 0: none is under way
  std::chrono::nanoseconds time_in_calls_{0};
  std::atomic<uint64_t> started_{0};
  std::atomic<uint64_t> finished_{0};
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_COLLECTIVES_H_
