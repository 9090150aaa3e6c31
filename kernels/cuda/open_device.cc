#include "kernels/cuda/open_device.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kHopper = 9;

absl::Status NoDevice(cudaError_t error) {
  // Without a driver the runtime says that the driver is too old.
  int driver_version = 0;
  const bool no_driver =
      cudaDriverGetVersion(&driver_version) == cudaSuccess && driver_version == 0;
  return absl::NotFoundError(
      fmt::format("no CUDA device: {}; use the cpu backend",
                  no_driver ? "this machine has no NVIDIA driver" : cudaGetErrorString(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<CudaDevice>> OpenDevice(int ordinal) {
  int num_devices = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&num_devices); error != cudaSuccess) {
    return NoDevice(error);
  }
  if (ordinal < 0 || ordinal >= num_devices) {
    return absl::NotFoundError(
        fmt::format("CUDA device {}: this machine has {}, counted from 0", ordinal, num_devices));
  }
  int major = 0, num_sms = 0;
  cudaStream_t stream = nullptr;
  // The first call that reaches the device: it fails where others hold it, or all of its memory.
  if (const cudaError_t error = cudaSetDevice(ordinal); error != cudaSuccess) {
    return NoDevice(error);
  }
  for (const cudaError_t error :
       {cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal),
        cudaDeviceGetAttribute(&num_sms, cudaDevAttrMultiProcessorCount, ordinal)}) {
    if (error != cudaSuccess) return NoDevice(error);
  }
  if (major != kHopper) {
    return absl::UnimplementedError(
        fmt::format("CUDA device {} has compute capability {}.x; the kernels are for Hopper, 9.0",
                    ordinal, major));
  }
  if (const cudaError_t error = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
      error != cudaSuccess) {
    return NoDevice(error);
  }
  return std::make_unique<CudaDevice>(ordinal, num_sms, stream);
}

}  // namespace switchyard::kernels::cuda
