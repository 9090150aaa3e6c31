// What the library switchyard-cuda.so exports.
#include <nccl.h>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/open_device.h"
#include "worker/backend.h"
#include "worker/cuda/nccl_collectives.h"
#include "worker/cuda_module.h"

namespace switchyard::worker::cuda {
namespace {

class CudaBackend final : public Backend {
 public:
  CudaBackend(std::unique_ptr<kernels::cuda::CudaDevice> device, int ordinal)
      : device_(std::move(device)), ops_(kernels::cuda::MakeCudaOps(*device_)) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, ordinal) != cudaSuccess) return;
    name_ = properties.name;
    memory_bytes_ = static_cast<int64_t>(properties.totalGlobalMem);
  }

  kernels::Ops& ops() override { return *ops_; }
  std::string Describe() const override { return name_; }
  int64_t memory_bytes() const override { return memory_bytes_; }
  int64_t used_bytes() const override {
    size_t free = 0, total = 0;
    device_->stream();  // makes the device that of this thread
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) return 0;
    return static_cast<int64_t>(total - free);
  }
  absl::StatusOr<std::unique_ptr<Collectives>> Connect(
      RendezvousStore& store, const CommunicatorOptions& options) override {
    return ConnectNccl(*ops_, device_->stream(), store, options);
  }

 private:
  const std::unique_ptr<kernels::cuda::CudaDevice> device_;
  const std::unique_ptr<kernels::Ops> ops_;
  std::string name_ = "GPU";
  int64_t memory_bytes_ = 0;
};

}  // namespace
}  // namespace switchyard::worker::cuda

extern "C" __attribute__((visibility("default"))) const char* SwitchyardCudaStamp() {
  return switchyard::worker::kBuildStamp;
}

extern "C" __attribute__((visibility("default")))
absl::StatusOr<std::unique_ptr<switchyard::worker::Backend>>
SwitchyardMakeCudaBackend(int device, int num_devices) {
  if (int found = 0; cudaGetDeviceCount(&found) == cudaSuccess && found < num_devices) {
    return absl::NotFoundError(
        fmt::format("CUDA devices of this machine: {}, for {} workers", found, num_devices));
  }
  SY_ASSIGN_OR_RETURN(auto opened, switchyard::kernels::cuda::OpenDevice(device));
  return std::make_unique<switchyard::worker::cuda::CudaBackend>(std::move(opened), device);
}
