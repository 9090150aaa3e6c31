// Ops as a CUDA graph.
#ifndef SWITCHYARD_KERNELS_CUDA_CUDA_RECORDING_H_
#define SWITCHYARD_KERNELS_CUDA_CUDA_RECORDING_H_

#include "kernels/cuda/cuda_context.h"
#include "kernels/recording.h"

namespace switchyard::kernels::cuda {

class CudaRecording final : public Recording {
 public:
  // Begins: from now on ops of `cuda` become nodes of the graph.
  explicit CudaRecording(CudaContext& cuda);
  ~CudaRecording() override;
  // Ends, once.
  void End();

  bool Replay() override;

 private:
  CudaContext& cuda_;
  StagedInputs inputs_;
  cudaGraphExec_t graph_ = nullptr;
  int64_t num_moves_ = 0;  // of working memory, when it was recorded
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CUDA_RECORDING_H_
