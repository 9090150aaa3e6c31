#include "kernels/cuda/cuda_recording.h"

#include "kernels/cuda/cuda_check.h"

namespace switchyard::kernels::cuda {

CudaRecording::CudaRecording(CudaContext& cuda) : cuda_(cuda), inputs_(cuda.device) {
  cuda_.device.Synchronize();  // the inputs' memory is ready: nothing of it becomes a node
  num_moves_ = cuda_.device.num_moves();
  cuda_.staging.RecordTo(&inputs_);
  SY_CUDA_CHECK(cudaStreamBeginCapture(cuda_.stream(), cudaStreamCaptureModeThreadLocal));
}

CudaRecording::~CudaRecording() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
}

void CudaRecording::End() {
  cuda_.staging.RecordTo(nullptr);
  cudaGraph_t graph = nullptr;
  SY_CUDA_CHECK(cudaStreamEndCapture(cuda_.stream(), &graph));
  SY_CHECK_EQ(num_moves_, cuda_.device.num_moves())
      << "working memory moved while ops were recorded";
  if (inputs_.fits()) SY_CUDA_CHECK(cudaGraphInstantiate(&graph_, graph, 0));
  SY_CUDA_CHECK(cudaGraphDestroy(graph));
  inputs_.Finish();
}

bool CudaRecording::Replay() {
  if (num_moves_ != cuda_.device.num_moves() || !inputs_.Send()) return false;
  SY_CUDA_CHECK(cudaGraphLaunch(graph_, cuda_.stream()));
  return true;
}

}  // namespace switchyard::kernels::cuda
