// N ranks in N threads of one process, each with a device, a stream and a communicator of its own.
#ifndef SWITCHYARD_TESTS_EMULATOR_NCCL_RANKS_H_
#define SWITCHYARD_TESTS_EMULATOR_NCCL_RANKS_H_

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <functional>

namespace emu {

struct Rank {
  int rank = 0;
  int num_ranks = 0;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;

  void Synchronize() const;
};

enum class Ending { kDestroy, kAbort };

// Calls `body` on every rank at once and returns when all have come back; the communicators are
// ended as asked. `config` may be null; then communicators block.
void RunRanks(int num_ranks, const std::function<void(Rank&)>& body,
              Ending ending = Ending::kDestroy, const ncclConfig_t* config = nullptr);

// Polls until the communicator is no longer in progress.
ncclResult_t AwaitState(ncclComm_t comm);

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_NCCL_RANKS_H_
