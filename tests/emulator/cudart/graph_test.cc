// Graphs built node by node: order, questions, changes, updates.
#include <fstream>
#include <sstream>

#include "emulator/cudart/enqueue.h"
#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

class GraphTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaGraphCreate(&graph_, 0));
    ASSERT_CUDA(cudaMalloc(&device_, 64));
    ASSERT_CUDA(cudaMallocHost(&pinned_, 64));
  }
  void TearDown() override {
    EXPECT_CUDA(cudaSuccess, cudaDeviceSynchronize());
    cudaGraphDestroy(graph_);
    cudaStreamDestroy(stream_);
    cudaFree(device_);
    cudaFreeHost(pinned_);
    cudaGetLastError();
  }
  cudaGraphNode_t Fill(unsigned value, std::vector<cudaGraphNode_t> after = {}) {
    const cudaMemsetParams params = FillParams(value);
    cudaGraphNode_t node = nullptr;
    EXPECT_CUDA(cudaSuccess,
                cudaGraphAddMemsetNode(&node, graph_, after.data(), after.size(), &params));
    return node;
  }
  cudaMemsetParams FillParams(unsigned value) const {
    return {.dst = device_, .pitch = 0, .value = value, .elementSize = 4, .width = 16, .height = 1};
  }
  cudaGraphNode_t Read(std::vector<cudaGraphNode_t> after) {
    cudaGraphNode_t node = nullptr;
    EXPECT_CUDA(cudaSuccess,
                cudaGraphAddMemcpyNode1D(&node, graph_, after.data(), after.size(), pinned_,
                                         device_, 64, cudaMemcpyDeviceToHost));
    return node;
  }
  unsigned Run(cudaGraphExec_t exec) {
    EXPECT_CUDA(cudaSuccess, cudaGraphLaunch(exec, stream_));
    EXPECT_CUDA(cudaSuccess, cudaStreamSynchronize(stream_));
    return static_cast<const unsigned*>(pinned_)[15];
  }

  cudaStream_t stream_ = nullptr;
  cudaGraph_t graph_ = nullptr;
  void* device_ = nullptr;
  void* pinned_ = nullptr;
};

TEST_F(GraphTest, NodesRunBehindWhatTheyFollowWhateverTheOrderOfCreation) {
  cudaGraphNode_t read = Read({});
  cudaGraphNode_t late = Fill(2);
  cudaGraphNode_t early = Fill(1);
  const cudaGraphNode_t from[] = {early, late}, to[] = {late, read};
  ASSERT_CUDA(cudaGraphAddDependencies(graph_, from, to, nullptr, 2));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaGraphAddDependencies(graph_, from, to, nullptr, 1));
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph_, 0));
  EXPECT_EQ(Run(exec), 2u);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  const cudaGraphNode_t back_from[] = {read}, back_to[] = {early};
  ASSERT_CUDA(cudaGraphAddDependencies(graph_, back_from, back_to, nullptr, 1));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaGraphInstantiate(&exec, graph_, 0)) << "a circle";
}

TEST_F(GraphTest, QuestionsGetAnswers) {
  cudaGraphNode_t fill = Fill(1);
  cudaGraphNode_t read = Read({fill});
  cudaGraphNodeType type;
  ASSERT_CUDA(cudaGraphNodeGetType(read, &type));
  EXPECT_EQ(type, cudaGraphNodeTypeMemcpy);
  cudaGraphNode_t found[3] = {};
  size_t count = 3;
  ASSERT_CUDA(cudaGraphNodeGetDependencies(read, found, nullptr, &count));
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(found[0], fill);
  ASSERT_CUDA(cudaGraphNodeGetDependentNodes(fill, nullptr, nullptr, &count));
  EXPECT_EQ(count, 1u);
  cudaMemsetParams params;
  ASSERT_CUDA(cudaGraphMemsetNodeGetParams(fill, &params));
  EXPECT_EQ(params.value, 1u);
  EXPECT_CUDA(cudaErrorInvalidValue, cudaGraphMemsetNodeGetParams(read, &params));
  cudaGraph_t clone = nullptr;
  cudaGraphNode_t copy = nullptr;
  ASSERT_CUDA(cudaGraphClone(&clone, graph_));
  ASSERT_CUDA(cudaGraphNodeFindInClone(&copy, fill, clone));
  ASSERT_CUDA(cudaGraphDestroyNode(copy));
  ASSERT_CUDA(cudaGraphGetNodes(graph_, nullptr, &count));
  EXPECT_EQ(count, 2u) << "the original keeps its nodes";
  ASSERT_CUDA(cudaGraphDestroy(clone));
  int local = 0;
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaGraphNodeGetType(reinterpret_cast<cudaGraphNode_t>(&local), &type));
}

TEST_F(GraphTest, UploadsAndFlagsAreTaken) {
  Read({Fill(3)});
  cudaGraphExec_t exec = nullptr;
  EXPECT_CUDA(cudaErrorNotSupported,
              cudaGraphInstantiateWithFlags(&exec, graph_, cudaGraphInstantiateFlagDeviceLaunch));
  ASSERT_CUDA(
      cudaGraphInstantiateWithFlags(&exec, graph_, cudaGraphInstantiateFlagUseNodePriority));
  ASSERT_CUDA(cudaGraphUpload(exec, stream_));
  EXPECT_EQ(Run(exec), 3u);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaGraphUpload(exec, stream_));
}

TEST_F(GraphTest, ChangesReachLaterLaunchesOnly) {
  cudaGraphNode_t fill = Fill(1);
  Read({fill});
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph_, 0));
  ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
  const cudaMemsetParams params = FillParams(8);
  ASSERT_CUDA(cudaGraphExecMemsetNodeSetParams(exec, fill, &params));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(static_cast<const unsigned*>(pinned_)[0], 1u) << "it was launched before the change";
  EXPECT_EQ(Run(exec), 8u);
  ASSERT_CUDA(cudaGraphNodeSetEnabled(exec, fill, 0));
  ASSERT_CUDA(cudaMemset(device_, 0, 64));
  ASSERT_CUDA(cudaDeviceSynchronize());
  EXPECT_EQ(Run(exec), 0u);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

TEST_F(GraphTest, UpdateTakesAGraphOfTheSameShape) {
  cudaGraphNode_t fill = Fill(1);
  cudaGraphNode_t read = Read({fill});
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph_, 0));
  const cudaMemsetParams params = FillParams(4);
  ASSERT_CUDA(cudaGraphMemsetNodeSetParams(fill, &params));
  cudaGraphExecUpdateResultInfo info;
  ASSERT_CUDA(cudaGraphExecUpdate(exec, graph_, &info));
  EXPECT_EQ(Run(exec), 4u);
  Read({read});
  EXPECT_CUDA(cudaErrorGraphExecUpdateFailure, cudaGraphExecUpdate(exec, graph_, &info));
  EXPECT_EQ(info.result, cudaGraphExecUpdateErrorTopologyChanged);
  EXPECT_EQ(Run(exec), 4u) << "and stays as it was";
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

TEST_F(GraphTest, ChildGraphsRunWhole) {
  cudaGraph_t child = nullptr;
  ASSERT_CUDA(cudaGraphCreate(&child, 0));
  std::swap(child, graph_);
  cudaGraphNode_t first = Fill(1);
  Fill(2, {first});
  std::swap(child, graph_);
  cudaGraphNode_t node = nullptr;
  ASSERT_CUDA(cudaGraphAddChildGraphNode(&node, graph_, nullptr, 0, child));
  ASSERT_CUDA(cudaGraphDestroy(child));
  Read({node});
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph_, 0));
  EXPECT_EQ(Run(exec), 2u);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
}

// Work of the layer above is captured, runs at each launch, and is destroyed with the last graph.
TEST_F(GraphTest, EnqueuedWorkLivesAsLongAsItsGraphs) {
  struct Counted {
    int runs = 0, destroyed = 0;
  } counted;
  ASSERT_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
  switchyard_emulator_enqueue(
      stream_, [](void* c) { ++static_cast<Counted*>(c)->runs; }, &counted,
      [](void* c) { ++static_cast<Counted*>(c)->destroyed; });
  cudaGraph_t captured = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(stream_, &captured));
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, captured, 0));
  ASSERT_CUDA(cudaGraphDestroy(captured));
  for (int i = 0; i < 3; ++i) Run(exec);
  EXPECT_EQ(counted.runs, 3);
  EXPECT_EQ(counted.destroyed, 0);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  EXPECT_EQ(counted.destroyed, 1);
}

// Two branches of one graph wait for each other, as two communicators' collectives may.
TEST_F(GraphTest, BlockingBranchesRunBesideEachOther) {
  Gate gate;
  const cudaHostNodeParams wait = {.fn = [](void* g) { static_cast<Gate*>(g)->Open(); },
                                   .userData = &gate};
  cudaStream_t other = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  ASSERT_CUDA(cudaStreamBeginCapture(other, cudaStreamCaptureModeGlobal));
  ASSERT_CUDA(gate.Queue(other));
  cudaGraph_t captured = nullptr;
  ASSERT_CUDA(cudaStreamEndCapture(other, &captured));
  cudaGraphNode_t node = nullptr;
  ASSERT_CUDA(cudaGraphAddHostNode(&node, captured, nullptr, 0, &wait));
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, captured, 0));
  Run(exec);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  ASSERT_CUDA(cudaGraphDestroy(captured));
  ASSERT_CUDA(cudaStreamDestroy(other));
}

TEST_F(GraphTest, UserObjectsDieWithTheLastHolder) {
  int destroyed = 0;
  cudaUserObject_t object = nullptr;
  ASSERT_CUDA(cudaUserObjectCreate(
      &object, &destroyed, [](void* count) { ++*static_cast<int*>(count); }, 2,
      cudaUserObjectNoDestructorSync));
  ASSERT_CUDA(cudaGraphRetainUserObject(graph_, object, 1, cudaGraphUserObjectMove));
  Fill(1);
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph_, 0));
  ASSERT_CUDA(cudaUserObjectRetain(object, 2));
  ASSERT_CUDA(cudaUserObjectRelease(object, 3));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaUserObjectRelease(object, 1));
  ASSERT_CUDA(cudaGraphReleaseUserObject(graph_, object, 1));
  EXPECT_EQ(destroyed, 0) << "the instantiated graph still holds it";
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  EXPECT_EQ(destroyed, 1);
}

TEST_F(GraphTest, EventNodesOrderGraphsAndStreams) {
  cudaEvent_t event = nullptr;
  ASSERT_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  cudaGraphNode_t fill = Fill(6);
  cudaGraphNode_t record = nullptr;
  ASSERT_CUDA(cudaGraphAddEventRecordNode(&record, graph_, &fill, 1, event));
  cudaGraphExec_t exec = nullptr;
  ASSERT_CUDA(cudaGraphInstantiate(&exec, graph_, 0));
  cudaStream_t other = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  ASSERT_CUDA(cudaGraphLaunch(exec, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other, event, 0));
  ASSERT_CUDA(cudaMemcpyAsync(pinned_, device_, 64, cudaMemcpyDeviceToHost, other));
  ASSERT_CUDA(cudaStreamSynchronize(other));
  EXPECT_EQ(static_cast<const unsigned*>(pinned_)[0], 6u);
  ASSERT_CUDA(cudaGraphExecDestroy(exec));
  ASSERT_CUDA(cudaStreamDestroy(other));
  ASSERT_CUDA(cudaEventDestroy(event));
}

TEST_F(GraphTest, DotNamesNodesAndEdges) {
  Read({Fill(1)});
  const std::string path = ::testing::TempDir() + "/graph." + std::to_string(getpid()) + ".dot";
  ASSERT_CUDA(cudaGraphDebugDotPrint(graph_, path.c_str(), 0));
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_NE(text.str().find("n0 -> n1"), std::string::npos) << text.str();
}

}  // namespace
}  // namespace emu
