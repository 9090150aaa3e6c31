// Packing weights into swizzled tiles and multiplying them on tensor cores.
// Meaning and shapes: kernels/args/linear.h.
//
// Launches: a product is two, or three (gemm.h says why); one less where its input comes quantised.
// An MLP is a product for each half and form of weight, the second without its first launch where
// the first hands over. RoutedMlp has one more before them, which makes their jobs: every block of
// theirs reads all of its lists.
#ifndef SWITCHYARD_KERNELS_CUDA_LINEAR_H_
#define SWITCHYARD_KERNELS_CUDA_LINEAR_H_

#include <memory>

#include "kernels/args/linear.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

std::unique_ptr<PackedLinear> Pack(CudaContext& cuda, const LinearSource& source);
std::unique_ptr<PackedLinear> PackGateUp(CudaContext& cuda, const LinearSource& gate,
                                         const LinearSource& up);

void Linear(CudaContext& cuda, const LinearArgs& args);
void GroupAmax(CudaContext& cuda, const GroupAmaxArgs& args);
void BatchedLinear(CudaContext& cuda, const BatchedLinearArgs& args);
void GateUp(CudaContext& cuda, const GateUpArgs& args);
void GroupedMlp(CudaContext& cuda, const GroupedMlpArgs& args);

std::unique_ptr<MlpTable> MakeMlpTable(CudaContext& cuda, std::span<const MlpWeights* const> mlps);
void RoutedMlp(CudaContext& cuda, const RoutedMlpArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LINEAR_H_
