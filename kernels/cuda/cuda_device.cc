#include "kernels/cuda/cuda_device.h"

#include <algorithm>

#include "kernels/cuda/cuda_check.h"

namespace switchyard::kernels::cuda {
void UseDevice(int ordinal) {
  thread_local int used = -1;
  if (used == ordinal) return;
  SY_CUDA_CHECK(cudaSetDevice(ordinal));
  used = ordinal;
}

CudaDevice::CudaDevice(int ordinal, int num_sms, cudaStream_t stream)
    : ordinal_(ordinal), num_sms_(num_sms), stream_(stream) {}

CudaDevice::~CudaDevice() {
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
}

Buffer CudaDevice::Allocate(int64_t num_bytes) {
  SY_CHECK_GE(num_bytes, 0);
  void* data = nullptr;
  UseDevice(ordinal_);
  SY_CUDA_CHECK(cudaMalloc(&data, static_cast<size_t>(std::max<int64_t>(num_bytes, 1))));
  SY_CUDA_CHECK(cudaMemsetAsync(data, 0, static_cast<size_t>(num_bytes), stream()));
  return Buffer(data, num_bytes, [](void* memory) { cudaFree(memory); });
}

void CudaDevice::CopyToDevice(void* to, const void* from_host, int64_t num_bytes) {
  SY_CUDA_CHECK(cudaMemcpyAsync(to, from_host, static_cast<size_t>(num_bytes),
                                cudaMemcpyHostToDevice, stream()));
  SY_CUDA_CHECK(cudaStreamSynchronize(stream_));
}

void CudaDevice::CopyToHost(void* to_host, const void* from, int64_t num_bytes) {
  SY_CUDA_CHECK(cudaMemcpyAsync(to_host, from, static_cast<size_t>(num_bytes),
                                cudaMemcpyDeviceToHost, stream()));
  SY_CUDA_CHECK(cudaStreamSynchronize(stream_));
}

void CudaDevice::Zero(void* to, int64_t num_bytes) {
  SY_CUDA_CHECK(cudaMemsetAsync(to, 0, static_cast<size_t>(num_bytes), stream()));
}

void CudaDevice::Synchronize() { SY_CUDA_CHECK(cudaStreamSynchronize(stream_)); }

}  // namespace switchyard::kernels::cuda
