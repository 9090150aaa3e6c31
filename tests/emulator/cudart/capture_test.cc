// Capture: what becomes a node, what joins, what is refused.
#include <thread>

#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

class CaptureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (cudaStream_t* stream : {&first_, &second_}) {
      ASSERT_CUDA(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking));
    }
    ASSERT_CUDA(cudaEventCreateWithFlags(&fork_, cudaEventDisableTiming));
    ASSERT_CUDA(cudaEventCreateWithFlags(&join_, cudaEventDisableTiming));
  }
  void TearDown() override {
    EXPECT_CUDA(cudaSuccess, cudaDeviceSynchronize());
    for (cudaStream_t stream : {first_, second_}) cudaStreamDestroy(stream);
    for (cudaEvent_t event : {fork_, join_}) cudaEventDestroy(event);
    cudaGetLastError();
  }
  void Begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal) {
    ASSERT_CUDA(cudaStreamBeginCapture(first_, mode));
  }
  void Fork() {
    ASSERT_CUDA(cudaEventRecord(fork_, first_));
    ASSERT_CUDA(cudaStreamWaitEvent(second_, fork_, 0));
  }
  void Join() {
    ASSERT_CUDA(cudaEventRecord(join_, second_));
    ASSERT_CUDA(cudaStreamWaitEvent(first_, join_, 0));
  }
  // Ends a capture that must fail.
  void ExpectEnd(cudaError_t error) {
    cudaGraph_t graph = nullptr;
    EXPECT_CUDA(error, cudaStreamEndCapture(first_, &graph));
    EXPECT_EQ(graph, nullptr);
    cudaStreamCaptureStatus status;
    for (cudaStream_t stream : {first_, second_}) {
      EXPECT_CUDA(cudaSuccess, cudaStreamIsCapturing(stream, &status));
      EXPECT_EQ(status, cudaStreamCaptureStatusNone);
    }
  }

  cudaStream_t first_ = nullptr, second_ = nullptr;
  cudaEvent_t fork_ = nullptr, join_ = nullptr;
  Journal journal_;
};

TEST_F(CaptureTest, ForkAndJoinBecomeEdges) {
  Begin();
  journal_.Queue(first_, "1");
  Fork();
  journal_.Queue(first_, "2");
  journal_.Queue(second_, "2");
  Join();
  const cudaGraphNode_t* after = nullptr;
  size_t num_after = 0;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  ASSERT_CUDA(
      cudaStreamGetCaptureInfo(first_, &status, nullptr, nullptr, &after, nullptr, &num_after));
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  EXPECT_EQ(num_after, 2u) << "both branches";
  journal_.Queue(first_, "3");
  cudaGraph_t graph = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(first_, &graph));
  size_t nodes = 0, edges = 0, roots = 0;
  ASSERT_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  ASSERT_CUDA(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &edges));
  ASSERT_CUDA(cudaGraphGetRootNodes(graph, nullptr, &roots));
  EXPECT_EQ(nodes, 4u);
  EXPECT_EQ(edges, 4u);
  EXPECT_EQ(roots, 1u);
  EXPECT_EQ(journal_.names(), "") << "nothing ran";
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  ASSERT_CUDA(cudaGraphDestroy(graph));
  for (int i = 0; i < 2; ++i) ASSERT_CUDA(cudaGraphLaunch(exec, second_));
  ASSERT_CUDA(cudaStreamSynchronize(second_));
  EXPECT_EQ(journal_.names(), "12231223");
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

TEST_F(CaptureTest, WorkThatIsNotJoinedIsRefused) {
  Begin();
  Fork();
  journal_.Queue(second_, "x");
  ExpectEnd(cudaErrorStreamCaptureUnjoined);
}

TEST_F(CaptureTest, SynchronisingACapturingStreamEndsTheCapture) {
  Begin();
  EXPECT_CUDA(cudaErrorStreamCaptureUnsupported, cudaStreamSynchronize(first_));
  EXPECT_CUDA(cudaErrorStreamCaptureInvalidated, cudaLaunchHostFunc(
                                                     first_, [](void*) {}, nullptr));
  ExpectEnd(cudaErrorStreamCaptureInvalidated);
}

TEST_F(CaptureTest, UnsafeCallsDependOnTheMode) {
  void* p = nullptr;
  Begin(cudaStreamCaptureModeGlobal);
  std::thread([&] { EXPECT_CUDA(cudaErrorStreamCaptureUnsupported, cudaMalloc(&p, 8)); }).join();
  ExpectEnd(cudaErrorStreamCaptureInvalidated);

  Begin(cudaStreamCaptureModeThreadLocal);
  std::thread([&] { EXPECT_CUDA(cudaSuccess, cudaMalloc(&p, 8)); }).join();
  EXPECT_CUDA(cudaErrorStreamCaptureUnsupported, cudaFree(p));
  ExpectEnd(cudaErrorStreamCaptureInvalidated);

  Begin(cudaStreamCaptureModeRelaxed);
  EXPECT_CUDA(cudaSuccess, cudaFree(p));
  cudaGraph_t graph = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(first_, &graph));
  ASSERT_CUDA(cudaGraphDestroy(graph));

  Begin(cudaStreamCaptureModeGlobal);
  auto mode = cudaStreamCaptureModeRelaxed;
  ASSERT_CUDA(cudaThreadExchangeStreamCaptureMode(&mode));
  EXPECT_EQ(mode, cudaStreamCaptureModeGlobal);
  EXPECT_CUDA(cudaSuccess, cudaMalloc(&p, 8));
  EXPECT_CUDA(cudaSuccess, cudaFree(p));
  ASSERT_CUDA(cudaThreadExchangeStreamCaptureMode(&mode));
  ASSERT_CUDA(cudaStreamEndCapture(first_, &graph));
  ASSERT_CUDA(cudaGraphDestroy(graph));
}

// An external record or wait is a node of its own, that acts at every launch.
TEST_F(CaptureTest, ExternalEventsActAtEachLaunch) {
  Begin();
  journal_.Queue(first_, "1");
  ASSERT_CUDA(cudaEventRecordWithFlags(fork_, first_, cudaEventRecordExternal));
  ASSERT_CUDA(cudaStreamWaitEvent(first_, join_, cudaEventWaitExternal));
  journal_.Queue(first_, "2");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(first_, &graph));
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  size_t nodes = 0;
  ASSERT_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  EXPECT_EQ(nodes, 4u);
  Gate gate;
  ASSERT_CUDA(gate.Queue(second_));
  ASSERT_CUDA(cudaEventRecord(join_, second_));
  ASSERT_CUDA(cudaGraphLaunch(exec, first_));
  EXPECT_CUDA(cudaErrorNotReady, cudaStreamQuery(first_)) << "it waits for the second stream";
  gate.Open();
  ASSERT_CUDA(cudaEventSynchronize(fork_));
  ASSERT_CUDA(cudaStreamSynchronize(first_));
  EXPECT_EQ(journal_.names(), "12");
  EXPECT_CUDA(cudaErrorInvalidValue, cudaEventRecordWithFlags(fork_, first_, 8));
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  ASSERT_CUDA(cudaGraphDestroy(graph));
}

TEST_F(CaptureTest, DependenciesDoNotCrossTheBorder) {
  ASSERT_CUDA(cudaEventRecord(fork_, second_));
  Begin();
  EXPECT_CUDA(cudaErrorStreamCaptureIsolation, cudaStreamWaitEvent(first_, fork_, 0));
  ExpectEnd(cudaErrorStreamCaptureInvalidated);
}

TEST_F(CaptureTest, TheLegacyStreamCannotWaitForABlockingCapture) {
  cudaStream_t blocking = nullptr;
  ASSERT_CUDA(cudaStreamCreate(&blocking));
  ASSERT_CUDA(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed));
  char host = 0;
  EXPECT_CUDA(cudaErrorStreamCaptureImplicit, cudaMemcpy(&host, &host, 1, cudaMemcpyHostToHost));
  cudaGraph_t graph = nullptr;
  EXPECT_CUDA(cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(blocking, &graph));
  EXPECT_CUDA(cudaErrorStreamCaptureUnsupported,
              cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal));
  ASSERT_CUDA(cudaStreamDestroy(blocking));
}

TEST_F(CaptureTest, CapturedEventsCannotBeAskedOutside) {
  Begin();
  ASSERT_CUDA(cudaEventRecord(fork_, first_));
  EXPECT_CUDA(cudaErrorCapturedEvent, cudaEventQuery(fork_));
  ExpectEnd(cudaErrorStreamCaptureInvalidated);
}

TEST_F(CaptureTest, OnlyTheThreadAndStreamThatBeganMayEnd) {
  Begin(cudaStreamCaptureModeThreadLocal);
  cudaGraph_t graph = nullptr;
  EXPECT_CUDA(cudaErrorIllegalState, cudaStreamEndCapture(second_, &graph));
  std::thread([&] {
    cudaGraph_t other = nullptr;
    EXPECT_CUDA(cudaErrorStreamCaptureWrongThread, cudaStreamEndCapture(first_, &other));
  }).join();
  EXPECT_CUDA(cudaErrorIllegalState, cudaStreamBeginCapture(first_, cudaStreamCaptureModeGlobal));
  ASSERT_CUDA(cudaStreamEndCapture(first_, &graph));
  ASSERT_CUDA(cudaGraphDestroy(graph));
}

TEST_F(CaptureTest, MemoryOfAGraphIsItsOwn) {
  Begin();
  void* p = nullptr;
  void* pinned = nullptr;
  ASSERT_CUDA(cudaMallocAsync(&p, 100, first_));
  ASSERT_CUDA(cudaMemsetAsync(p, 5, 100, first_));
  auto mode = cudaStreamCaptureModeRelaxed;
  ASSERT_CUDA(cudaThreadExchangeStreamCaptureMode(&mode));
  ASSERT_CUDA(cudaMallocHost(&pinned, 100));
  ASSERT_CUDA(cudaThreadExchangeStreamCaptureMode(&mode));
  ASSERT_CUDA(cudaMemcpyAsync(pinned, p, 100, cudaMemcpyDeviceToHost, first_));
  ASSERT_CUDA(cudaFreeAsync(p, first_));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(first_, &graph));
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  for (int i = 0; i < 3; ++i) {
    static_cast<char*>(pinned)[99] = 0;
    ASSERT_CUDA(cudaGraphLaunch(exec, first_));
    ASSERT_CUDA(cudaStreamSynchronize(first_));
    EXPECT_EQ(static_cast<char*>(pinned)[99], 5);
  }
  size_t free_before = 0, free_after = 0;
  ASSERT_CUDA(cudaMemGetInfo(&free_before, nullptr));
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  ASSERT_CUDA(cudaGraphDestroy(graph));
  ASSERT_CUDA(cudaMemGetInfo(&free_after, nullptr));
  EXPECT_EQ(free_after - free_before, 4096u);
  ASSERT_CUDA(cudaFreeHost(pinned));
}

}  // namespace
}  // namespace emu
