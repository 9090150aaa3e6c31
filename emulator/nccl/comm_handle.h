// What an ncclComm_t points to, and the table that knows which of them are alive.
//
// Owner: the table, and whoever works with a handle at the moment (shared pointers), so that
// ncclCommAbort may take it away while another thread waits in a call. Thread: any.
#ifndef SWITCHYARD_EMULATOR_NCCL_COMM_HANDLE_H_
#define SWITCHYARD_EMULATOR_NCCL_COMM_HANDLE_H_

#include <nccl.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "emulator/nccl/communicator.h"
#include "emulator/nccl/launch_queue.h"
#include "emulator/nccl/outcome.h"
#include "emulator/nccl/reduction.h"

struct ncclComm {
 public:
  explicit ncclComm(bool blocking) : blocking(blocking) {}
  ~ncclComm();

  const bool blocking;
  emu::LaunchQueue launches;

  // Null until the rank is known; of a split's child, which is known late.
  std::shared_ptr<emu::Communicator> core() const;
  void set_core(std::shared_ptr<emu::Communicator> core);

  // Work that a non-blocking communicator does in a thread of its own, one at a time. `in_progress`
  // until it has ended; a failure becomes the asynchronous error.
  void StartJob(std::function<emu::Outcome()> work);
  // Sets in_progress without a thread: a blocking call, or a group, does the work.
  void BeginJob() { in_progress_.store(true); }
  void EndJob(const emu::Outcome& outcome);
  void JoinJob();
  bool in_progress() const { return in_progress_.load(); }

  // The asynchronous error, ncclInProgress during a job.
  ncclResult_t State() const;
  std::string ErrorText() const;

  // Makes waits end, those for `parent` (of a split that is under way) included.
  void Abort();
  bool abort_requested() const { return abort_requested_.load(); }
  void set_parent(std::shared_ptr<emu::Communicator> parent);

  // Operators made by ncclRedOpCreatePreMulSum.
  ncclRedOp_t AddReduction(const emu::Reduction& reduction, ncclDataType_t type);
  bool RemoveReduction(ncclRedOp_t op);
  // False when `op` is neither built in nor alive for this type.
  bool FindReduction(ncclRedOp_t op, ncclDataType_t type, emu::Reduction* reduction) const;

  // Addresses that ncclCommRegister knows.
  void* AddRegistration(void* address, size_t bytes);
  bool RemoveRegistration(void* registration);

 private:
  struct CustomReduction {
    emu::Reduction reduction;
    ncclDataType_t type;
    bool alive;
  };
  struct Registration {
    void* address;
    size_t bytes;
  };

  mutable std::mutex mutex_;
  std::shared_ptr<emu::Communicator> core_;    // by mutex_, as all below
  std::shared_ptr<emu::Communicator> parent_;  // while a split is under way
  emu::Outcome job_outcome_;                   // of a failed job
  std::vector<CustomReduction> reductions_;    // [op - ncclNumOps]
  std::vector<std::unique_ptr<Registration>> registrations_;
  std::mutex job_mutex_;
  std::thread job_;  // by job_mutex_
  std::atomic<bool> in_progress_{false};
  std::atomic<bool> abort_requested_{false};
};

namespace emu {

using CommPointer = std::shared_ptr<ncclComm>;

class CommTable {
 public:
  static CommPointer Create(bool blocking);
  // Null for what is no living communicator.
  static CommPointer Find(ncclComm_t comm);
  static void Remove(ncclComm_t comm);
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_COMM_HANDLE_H_
