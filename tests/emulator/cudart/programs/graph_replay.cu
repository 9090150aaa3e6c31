// A captured step with a fork, replayed; its kernel's arguments changed in place; an update.
#include "tests/emulator/cudart/programs/check.h"

__global__ void Add(int* data, int value) { data[threadIdx.x] += value; }
__global__ void Combine(const int* a, const int* b, int* out) {
  out[threadIdx.x] = 10 * a[threadIdx.x] + b[threadIdx.x];
}

struct Step {
  cudaStream_t main, side;
  cudaEvent_t fork, join;
  int *a, *b, *out;
};

static cudaGraph_t Capture(const Step& step, int value) {
  cudaGraph_t graph;
  CHECK_CUDA(cudaStreamBeginCapture(step.main, cudaStreamCaptureModeGlobal));
  CHECK_CUDA(cudaEventRecord(step.fork, step.main));
  CHECK_CUDA(cudaStreamWaitEvent(step.side, step.fork, 0));
  Add<<<1, 32, 0, step.main>>>(step.a, value);
  Add<<<1, 32, 0, step.side>>>(step.b, 2 * value);
  CHECK_CUDA(cudaEventRecord(step.join, step.side));
  CHECK_CUDA(cudaStreamWaitEvent(step.main, step.join, 0));
  Combine<<<1, 32, 0, step.main>>>(step.a, step.b, step.out);
  CHECK_CUDA(cudaStreamEndCapture(step.main, &graph));
  return graph;
}

static int Result(const Step& step) {
  int back[32];
  CHECK_CUDA(cudaMemcpyAsync(back, step.out, sizeof back, cudaMemcpyDeviceToHost, step.main));
  CHECK_CUDA(cudaStreamSynchronize(step.main));
  CHECK(back[0] == back[31]);
  return back[31];
}

// The first kernel node that adds to `data`.
static cudaGraphNode_t FindAdd(cudaGraph_t graph, const int* data, cudaKernelNodeParams* params) {
  cudaGraphNode_t nodes[8];
  size_t count = 8;
  CHECK_CUDA(cudaGraphGetNodes(graph, nodes, &count));
  CHECK(count == 3);
  for (size_t i = 0; i < count; ++i) {
    CHECK_CUDA(cudaGraphKernelNodeGetParams(nodes[i], params));
    if (*static_cast<const int**>(params->kernelParams[0]) == data &&
        params->func == reinterpret_cast<void*>(Add)) {
      return nodes[i];
    }
  }
  // A kernel launched by handle is not named by its stub: then it is the first without followers
  // among the roots.
  for (size_t i = 0; i < count; ++i) {
    CHECK_CUDA(cudaGraphKernelNodeGetParams(nodes[i], params));
    size_t before = 9;
    CHECK_CUDA(cudaGraphNodeGetDependencies(nodes[i], nullptr, nullptr, &before));
    if (before == 0 && *static_cast<const int**>(params->kernelParams[0]) == data) return nodes[i];
  }
  CHECK(false);
  return nullptr;
}

int main() {
  Step step;
  CHECK_CUDA(cudaStreamCreateWithFlags(&step.main, cudaStreamNonBlocking));
  CHECK_CUDA(cudaStreamCreateWithFlags(&step.side, cudaStreamNonBlocking));
  CHECK_CUDA(cudaEventCreateWithFlags(&step.fork, cudaEventDisableTiming));
  CHECK_CUDA(cudaEventCreateWithFlags(&step.join, cudaEventDisableTiming));
  for (int** p : {&step.a, &step.b, &step.out}) {
    CHECK_CUDA(cudaMalloc(p, 128));
    CHECK_CUDA(cudaMemsetAsync(*p, 0, 128, step.main));
  }
  CHECK_CUDA(cudaStreamSynchronize(step.main));
  cudaGraph_t graph = Capture(step, 1);
  cudaGraphExec_t exec;
  CHECK_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  for (int i = 0; i < 3; ++i) CHECK_CUDA(cudaGraphLaunch(exec, step.main));
  CHECK(Result(step) == 36);  // a = 3, b = 6

  cudaKernelNodeParams params;
  cudaGraphNode_t node = FindAdd(graph, step.a, &params);
  int value = 100;
  void* args[] = {&step.a, &value};
  params.kernelParams = args;
  CHECK_CUDA(cudaGraphExecKernelNodeSetParams(exec, node, &params));
  CHECK_CUDA(cudaGraphLaunch(exec, step.main));
  CHECK(Result(step) == 1038);  // a = 103, b = 8

  cudaGraph_t other = Capture(step, 7);
  cudaGraphExecUpdateResultInfo info;
  CHECK_CUDA(cudaGraphExecUpdate(exec, other, &info));
  CHECK_CUDA(cudaGraphLaunch(exec, step.main));
  CHECK(Result(step) == 1122);  // a = 110, b = 22
  CHECK_CUDA(cudaGraphDestroy(graph));
  CHECK_CUDA(cudaGraphDestroy(other));
  CHECK_CUDA(cudaGraphExecDestroy(exec));
  return 0;
}
