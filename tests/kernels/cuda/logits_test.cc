
#include "kernels/cuda/cuda_ops.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/logits_checks.h"

namespace switchyard::kernels {
namespace {

using CudaLogitsTest = CudaTest;

TEST_F(CudaLogitsTest, AgreesWithTheReference) {
  const std::unique_ptr<Ops> ops = cuda::MakeCudaOps(*device_);
  for (const LogitsCase& shape : kLogitsCases) {
    SCOPED_TRACE(std::to_string(shape.rows) + " x " + std::to_string(shape.columns));
    LogitsChecks(
        *ops, shape,
        [this](int64_t rows, int64_t columns, std::span<const float> values) {
          return Put(DType::kF32, {rows, columns}, values);
        },
        [this](const TensorView& view) { return Get(view); })
        .All();
  }
}

}  // namespace
}  // namespace switchyard::kernels
