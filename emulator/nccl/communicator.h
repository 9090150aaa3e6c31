// One rank of a communicator: its place in the shared memory, its state, and waiting.
//
// Owner: shared by the handle of the C ABI and by every operation that was enqueued, which may
// outlive the handle in a stream or a graph. Thread: operations run one at a time (Run takes a
// lock); the ends and the error calls from any thread at any moment; the rest from the thread that
// uses the handle.
#ifndef SWITCHYARD_EMULATOR_NCCL_COMMUNICATOR_H_
#define SWITCHYARD_EMULATOR_NCCL_COMMUNICATOR_H_

#include <nccl.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "emulator/nccl/nccl_options.h"
#include "emulator/nccl/operation.h"
#include "emulator/nccl/outcome.h"
#include "emulator/nccl/segment.h"

namespace emu {

class Communicator {
 public:
  // `device`: the CUDA device of this rank.
  Communicator(int rank, int num_ranks, int device, const NcclOptions& options);
  ~Communicator();

  int rank() const { return rank_; }
  int num_ranks() const { return num_ranks_; }
  int device() const { return device_; }
  const NcclOptions& options() const { return options_; }

  // Takes this rank's place in the memory that `id` names and waits for all other ranks.
  // `when_others_joined` (may be empty) runs when only this rank is missing: nobody has gone on
  // yet.
  Outcome Join(const ncclUniqueId& id, const std::function<void()>& when_others_joined);

  // REQUIRES: Join succeeded.
  Segment& segment() const { return *segment_; }

  // Runs what one enqueued launch holds: collectives in their order, then all sends and receives at
  // once. Returns when done or when the communicator ends; at once if it has ended already.
  void Run(const std::vector<Operation>& operations);

  // Waits until done(), which is asked again whenever this rank's doorbell rang. False when the
  // communicator has ended first.
  bool Await(const std::function<bool()>& done);
  // The same for what a revoked or failed communicator may still do: only an abort ends it, and the
  // death of a peer where `watches_peers` and the options say so.
  bool AwaitUnlessAborted(const std::function<bool()>& done, bool watches_peers);

  // The rounds of the bulletins that this rank has been through.
  uint64_t NextCollectiveRound() { return ++collective_round_; }
  uint64_t NextSplitRound() { return ++split_round_; }

  // --- Ends. Each makes running operations return soon and later ones at once. Only Fail reaches
  // the other ranks, and only the first one counts; it is printed once.
  void Abort();
  void Revoke();
  void Fail(ncclResult_t code, const std::string& text);
  bool is_aborted() const { return aborted_.load(); }
  bool is_revoked() const { return revoked_.load(); }
  // This rank has left in order: peers need not miss it, and no graph should replay its operations.
  void MarkDestroyed();
  // Returns when no operation runs.
  void WaitUntilIdle();

  // ncclSuccess until something other than Abort and Revoke ended the communicator.
  ncclResult_t async_error();
  std::string error_text() const;

 private:
  bool Wait(const std::function<bool()>& done, const std::function<bool()>& has_ended,
            bool watches_peers);
  bool HasEnded();
  bool SomePeerDied();
  Outcome TakePlace();
  Outcome CheckDuplicateDevices() const;
  void SetError(ncclResult_t code, const std::string& text);

  const int rank_;
  const int num_ranks_;
  const int device_;
  const NcclOptions options_;
  std::unique_ptr<Segment> segment_;  // null until Join

  std::mutex run_mutex_;           // held while an operation runs
  uint64_t collective_round_ = 0;  // by run_mutex_
  uint64_t split_round_ = 0;

  std::atomic<bool> aborted_{false};
  std::atomic<bool> revoked_{false};
  std::atomic<bool> destroyed_{false};
  std::atomic<ncclResult_t> async_error_{ncclSuccess};
  mutable std::mutex error_mutex_;
  std::string error_text_;  // by error_mutex_
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_COMMUNICATOR_H_
