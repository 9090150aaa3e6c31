// The twins of calls that --default-stream per-thread makes: a null stream is the calling thread's
// own. A gate in a blocking stream shows it: the legacy stream waits for that, a thread's own does
// not.
#define __CUDA_API_VERSION_INTERNAL  // declares both names of each call
#include <cstring>

#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

class PerThreadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_CUDA(cudaStreamCreate(&blocking_));
    ASSERT_CUDA(cudaMalloc(&device_, kBytes));
    ASSERT_CUDA(cudaMallocHost(&pinned_, kBytes));
    ASSERT_CUDA(cudaMemset(device_, 1, kBytes));
    ASSERT_CUDA(cudaDeviceSynchronize());
    std::memset(pinned_, 0, kBytes);
    ASSERT_CUDA(gate_.Queue(blocking_));
  }
  void TearDown() override {
    gate_.Open();
    EXPECT_CUDA(cudaSuccess, cudaDeviceSynchronize());
    EXPECT_CUDA(cudaSuccess, cudaStreamDestroy(blocking_));
    EXPECT_CUDA(cudaSuccess, cudaFree(device_));
    EXPECT_CUDA(cudaSuccess, cudaFreeHost(pinned_));
    cudaGetLastError();
  }
  unsigned char* pinned() const { return static_cast<unsigned char*>(pinned_); }
  // Waits for the thread's own stream, and for nothing else.
  void Finish() { ASSERT_CUDA(cudaStreamSynchronize(cudaStreamPerThread)); }

  static constexpr size_t kBytes = 64;
  Gate gate_;
  cudaStream_t blocking_ = nullptr;
  void* device_ = nullptr;
  void* pinned_ = nullptr;
};

TEST_F(PerThreadTest, CopiesAndFills) {
  ASSERT_CUDA(cudaMemsetAsync_ptsz(device_, 7, kBytes, nullptr));
  ASSERT_CUDA(cudaMemcpyAsync_ptsz(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, nullptr));
  Finish();
  EXPECT_EQ(pinned()[63], 7);
  ASSERT_CUDA(cudaMemset2DAsync_ptsz(device_, 16, 3, 8, 4, nullptr));
  ASSERT_CUDA(
      cudaMemcpy2DAsync_ptsz(pinned_, 16, device_, 16, 12, 4, cudaMemcpyDeviceToHost, nullptr));
  Finish();
  EXPECT_EQ(pinned()[48], 3);
  EXPECT_EQ(pinned()[56], 7);
}

TEST_F(PerThreadTest, SynchronousCopiesAndFills) {
  ASSERT_CUDA(cudaMemset_ptds(device_, 7, kBytes));
  ASSERT_CUDA(cudaMemcpy_ptds(pinned_, device_, kBytes, cudaMemcpyDeviceToHost));
  EXPECT_EQ(pinned()[63], 7);
  ASSERT_CUDA(cudaMemset2D_ptds(device_, 16, 3, 8, 4));
  ASSERT_CUDA(cudaMemcpy2D_ptds(pinned_, 16, device_, 16, 12, 4, cudaMemcpyDeviceToHost));
  EXPECT_EQ(pinned()[48], 3);
  EXPECT_EQ(pinned()[56], 7);
}

TEST_F(PerThreadTest, PoolMemory) {
  cudaMemPool_t pool = nullptr;
  ASSERT_CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
  unsigned long long before = 0, used = 0;
  ASSERT_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &before));
  void* first = nullptr;
  void* second = nullptr;
  ASSERT_CUDA(cudaMallocAsync_ptsz(&first, kBytes, nullptr));
  ASSERT_CUDA(cudaMallocFromPoolAsync_ptsz(&second, kBytes, pool, nullptr));
  ASSERT_CUDA(cudaMemsetAsync_ptsz(first, 9, kBytes, nullptr));
  ASSERT_CUDA(cudaMemcpyAsync_ptsz(second, first, kBytes, cudaMemcpyDefault, nullptr));
  ASSERT_CUDA(cudaMemcpyAsync_ptsz(pinned_, second, kBytes, cudaMemcpyDefault, nullptr));
  for (void* p : {first, second}) ASSERT_CUDA(cudaFreeAsync_ptsz(p, nullptr));
  Finish();
  EXPECT_EQ(pinned()[0], 9);
  ASSERT_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
  EXPECT_EQ(used, before);
}

TEST_F(PerThreadTest, HostFunctions) {
  Journal journal;
  Journal::Line line = {&journal, "a"};
  const auto write = [](void* one) {
    auto* mine = static_cast<Journal::Line*>(one);
    mine->journal->Write(mine->name);
  };
  ASSERT_CUDA(cudaLaunchHostFunc_ptsz(nullptr, write, &line));
  ASSERT_CUDA(cudaStreamAddCallback_ptsz(
      nullptr,
      [](cudaStream_t stream, cudaError_t status, void* untyped) {
        EXPECT_EQ(stream, cudaStreamPerThread);
        EXPECT_EQ(status, cudaSuccess);
        static_cast<Journal*>(untyped)->Write("b");
      },
      &journal, 0));
  ASSERT_CUDA(cudaStreamSynchronize_ptsz(nullptr));
  EXPECT_EQ(journal.names(), "ab");
}

TEST_F(PerThreadTest, Events) {
  cudaEvent_t events[2] = {};
  for (cudaEvent_t& event : events) ASSERT_CUDA(cudaEventCreate(&event));
  ASSERT_CUDA(cudaEventRecord_ptsz(events[0], nullptr));
  ASSERT_CUDA(cudaEventRecordWithFlags_ptsz(events[1], nullptr, cudaEventRecordDefault));
  Finish();
  for (cudaEvent_t event : events) EXPECT_CUDA(cudaSuccess, cudaEventQuery(event));
  ASSERT_CUDA(cudaEventRecord(events[0], blocking_));
  ASSERT_CUDA(cudaStreamWaitEvent_ptsz(nullptr, events[0], 0));
  EXPECT_CUDA(cudaErrorNotReady, cudaStreamQuery(cudaStreamPerThread));
  gate_.Open();
  Finish();
  for (cudaEvent_t event : events) ASSERT_CUDA(cudaEventDestroy(event));
}

TEST_F(PerThreadTest, Questions) {
  unsigned long long legacy = 0, own = 0, asked = 0;
  ASSERT_CUDA(cudaStreamGetId(cudaStreamLegacy, &legacy));
  ASSERT_CUDA(cudaStreamGetId(cudaStreamPerThread, &own));
  ASSERT_CUDA(cudaStreamGetId_ptsz(nullptr, &asked));
  EXPECT_EQ(asked, own);
  EXPECT_NE(asked, legacy);
  unsigned flags = 9;
  int priority = 9, device = 9;
  ASSERT_CUDA(cudaStreamGetFlags_ptsz(nullptr, &flags));
  ASSERT_CUDA(cudaStreamGetPriority_ptsz(nullptr, &priority));
  ASSERT_CUDA(cudaStreamGetDevice_ptsz(nullptr, &device));
  EXPECT_EQ(flags, 0u);
  EXPECT_EQ(priority, 0);
  EXPECT_EQ(device, 0);
  cudaStreamAttrValue set = {}, got = {};
  set.syncPolicy = cudaSyncPolicyYield;
  ASSERT_CUDA(cudaStreamSetAttribute_ptsz(nullptr, cudaLaunchAttributeSynchronizationPolicy, &set));
  ASSERT_CUDA(
      cudaStreamGetAttribute(cudaStreamLegacy, cudaLaunchAttributeSynchronizationPolicy, &got));
  EXPECT_EQ(got.syncPolicy, cudaSyncPolicyAuto);
  ASSERT_CUDA(cudaStreamGetAttribute_ptsz(nullptr, cudaLaunchAttributeSynchronizationPolicy, &got));
  EXPECT_EQ(got.syncPolicy, cudaSyncPolicyYield);
  EXPECT_CUDA(cudaErrorNotReady, cudaStreamQuery(cudaStreamLegacy));
  EXPECT_CUDA(cudaSuccess, cudaStreamQuery_ptsz(nullptr));
}

// The legacy stream cannot be captured at all.
TEST_F(PerThreadTest, Graphs) {
  ASSERT_CUDA(cudaStreamBeginCapture_ptsz(nullptr, cudaStreamCaptureModeThreadLocal));
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  ASSERT_CUDA(cudaStreamIsCapturing_ptsz(nullptr, &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  ASSERT_CUDA(cudaMemsetAsync_ptsz(device_, 6, kBytes, nullptr));
  const cudaGraphNode_t* nodes = nullptr;
  size_t count = 0;
  ASSERT_CUDA(
      cudaStreamGetCaptureInfo_ptsz(nullptr, &status, nullptr, nullptr, &nodes, nullptr, &count));
  EXPECT_EQ(count, 1u);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture_ptsz(nullptr, &graph));
  ASSERT_CUDA(cudaGraphInstantiateWithFlags(&exec, graph, 0));
  ASSERT_CUDA(cudaGraphUpload_ptsz(exec, nullptr));
  ASSERT_CUDA(cudaGraphLaunch_ptsz(exec, nullptr));
  ASSERT_CUDA(cudaMemcpyAsync_ptsz(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, nullptr));
  Finish();
  EXPECT_EQ(pinned()[0], 6);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  ASSERT_CUDA(cudaGraphDestroy(graph));
}

TEST_F(PerThreadTest, CallsThatTouchNoStream) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result;
  ASSERT_CUDA(cudaGetDriverEntryPointByVersion_ptsz("cuTensorMapEncodeTiled", &function, 12000,
                                                    cudaEnableDefault, &result));
  EXPECT_NE(function, nullptr);
  ASSERT_CUDA(cudaGetDriverEntryPointByVersion_ptsz("cuNoSuchThing", &function, 12000,
                                                    cudaEnableDefault, &result));
  EXPECT_EQ(result, cudaDriverEntryPointSymbolNotFound);
  void* managed = nullptr;
  ASSERT_CUDA(cudaMallocManaged(&managed, kBytes, cudaMemAttachGlobal));
  ASSERT_CUDA(
      cudaMemPrefetchAsync_ptsz(managed, kBytes, {cudaMemLocationTypeDevice, 0}, 0, nullptr));
  gate_.Open();
  ASSERT_CUDA(cudaFree(managed));
}

}  // namespace
}  // namespace emu
