// Memory and identity of one GPU.
#ifndef SWITCHYARD_KERNELS_CUDA_CUDA_DEVICE_H_
#define SWITCHYARD_KERNELS_CUDA_CUDA_DEVICE_H_

#include <cuda_runtime_api.h>

#include <string>

#include "kernels/device.h"

namespace switchyard::kernels::cuda {

// Makes a device that of the calling thread, as launches and allocations want it.
void UseDevice(int ordinal);

// Thread: allocation from any thread; the rest from the thread that runs ops.
class CudaDevice final : public Device {
 public:
  // Of an open device (kernels/cuda/open_device.h); owns the stream.
  CudaDevice(int ordinal, int num_sms, cudaStream_t stream);
  ~CudaDevice() override;

  std::string backend() const override { return "cuda"; }
  std::string isa() const override { return "sm90"; }
  Buffer Allocate(int64_t num_bytes) override;
  bool shares_host_memory() const override { return false; }
  void CopyToDevice(void* to, const void* from_host, int64_t num_bytes) override;
  // Waits for what was issued before.
  void CopyToHost(void* to_host, const void* from, int64_t num_bytes) override;
  void Zero(void* to, int64_t num_bytes) override;
  void Synchronize() override;

  // Every op runs here, in the order of the calls. Makes this device the calling thread's.
  cudaStream_t stream() const {
    UseDevice(ordinal_);
    return stream_;
  }
  int num_sms() const { return num_sms_; }

  // How often working memory has moved: what was recorded before points to where it was.
  int64_t num_moves() const { return num_moves_; }
  void CountMove() { ++num_moves_; }

 private:
  const int ordinal_;
  const int num_sms_;
  const cudaStream_t stream_;
  int64_t num_moves_ = 0;
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CUDA_DEVICE_H_
