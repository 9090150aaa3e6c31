#include "tests/emulator/nccl/ranks.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/emulator/nccl/test_runtime.h"

namespace emu {

void Rank::Synchronize() const { stream->Synchronize(); }

ncclResult_t AwaitState(ncclComm_t comm) {
  ncclResult_t state = ncclInProgress;
  while (state == ncclInProgress) {
    EXPECT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
    std::this_thread::yield();
  }
  return state;
}

void RunRanks(int num_ranks, const std::function<void(Rank&)>& body, Ending ending,
              const ncclConfig_t* config) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::vector<std::thread> threads;
  for (int r = 0; r < num_ranks; ++r) {
    threads.emplace_back([&, r] {
      cudaSetDevice(r);
      CUstream_st stream;
      Rank self = {.rank = r, .num_ranks = num_ranks, .stream = &stream};
      if (config == nullptr) {
        ASSERT_EQ(ncclCommInitRank(&self.comm, num_ranks, id, r), ncclSuccess)
            << ncclGetLastError(nullptr);
      } else {
        ncclConfig_t own = *config;
        ncclCommInitRankConfig(&self.comm, num_ranks, id, r, &own);
        ASSERT_EQ(AwaitState(self.comm), ncclSuccess);
      }
      body(self);
      if (ending == Ending::kAbort) {
        EXPECT_EQ(ncclCommAbort(self.comm), ncclSuccess);
      } else {
        EXPECT_EQ(ncclCommDestroy(self.comm), ncclSuccess) << ncclGetLastError(nullptr);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace emu
