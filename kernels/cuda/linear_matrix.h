// A packed weight of the CUDA backend: tiles as kernels/cuda/choose/gemm_layout.h says, in device
// memory.
#ifndef SWITCHYARD_KERNELS_CUDA_LINEAR_MATRIX_H_
#define SWITCHYARD_KERNELS_CUDA_LINEAR_MATRIX_H_

#include <memory>
#include <utility>

#include "base/status.h"
#include "kernels/args/linear.h"
#include "kernels/cuda/choose/gemm_layout.h"
#include "kernels/cuda/gemm_job.h"
#include "kernels/device.h"

namespace switchyard::kernels::cuda {

class LinearMatrix final : public PackedLinear {
 public:
  // `weight` points into `memory`.
  LinearMatrix(KLayout layout, const GemmWeight& weight, Buffer memory)
      : PackedLinear(weight.n, weight.k, std::move(memory), TakesQuantised(layout)),
        layout_(std::move(layout)),
        weight_(weight) {}

  const KLayout& layout() const { return layout_; }
  const GemmWeight& weight() const { return weight_; }

 private:
  const KLayout layout_;
  const GemmWeight weight_;
};

// See Ops::Restore.
absl::StatusOr<std::unique_ptr<PackedLinear>> Restore(const PackedForm& form, Buffer memory);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LINEAR_MATRIX_H_
