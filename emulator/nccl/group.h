// ncclGroupStart to ncclGroupEnd: what one thread's calls become when the group ends. A call
// outside of a group is a group of one.
//
// Thread: each thread has its own group.
#ifndef SWITCHYARD_EMULATOR_NCCL_GROUP_H_
#define SWITCHYARD_EMULATOR_NCCL_GROUP_H_

#include <cuda_runtime_api.h>

#include <functional>
#include <vector>

#include "emulator/nccl/comm_handle.h"
#include "emulator/nccl/operation.h"
#include "emulator/nccl/outcome.h"

namespace emu {

class Group {
 public:
  static Group& Current();

  void Start() { ++depth_; }
  // At the outermost end: runs the jobs, those of several communicators at once, and puts the
  // operations into their streams. Nothing runs if a call of the group has failed.
  Outcome End();
  // Ends the group and forgets what it holds. REQUIRES: open().
  Outcome Discard();
  bool open() const { return depth_ > 0; }

  // One call. Its failure is the group's too.
  Outcome Add(const CommPointer& comm, const Operation& operation, cudaStream_t stream);
  // The making of a communicator, which waits for other ranks. `out`: set to null if it fails in a
  // blocking call.
  Outcome AddJob(const CommPointer& comm, std::function<Outcome()> work, ncclComm_t* out);
  Outcome NoteFailure(Outcome failure);

 private:
  struct Job {
    CommPointer comm;
    std::function<Outcome()> work;
    ncclComm_t* out = nullptr;
  };
  struct Batch {
    CommPointer comm;
    Launch launch;
  };

  Outcome RunJobs(std::vector<Job> jobs);
  Outcome Submit(std::vector<Batch> batches);

  int depth_ = 0;
  Outcome failure_;
  std::vector<Job> jobs_;
  std::vector<Batch> batches_;  // one per communicator, in the order of their first calls
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_GROUP_H_
