#include "kernels/cuda/host_staging.h"

#include "kernels/cuda/cuda_check.h"

namespace switchyard::kernels::cuda {

HostStaging::HostStaging(CudaDevice& device)
    : device_(device), memory_(device.Allocate(kNumSegments * kSegmentBytes)) {
  void* host = nullptr;
  SY_CUDA_CHECK(cudaHostAlloc(&host, kNumSegments * kSegmentBytes, cudaHostAllocDefault));
  host_ = static_cast<std::byte*>(host);
  for (cudaEvent_t& event : passed_) {
    SY_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  }
}

HostStaging::~HostStaging() {
  device_.Synchronize();
  for (const cudaEvent_t event : passed_) cudaEventDestroy(event);
  cudaFreeHost(host_);
}

HostStaging::Place HostStaging::Reserve(int64_t num_bytes) {
  SY_CHECK(num_bytes >= 0 && num_bytes <= kSegmentBytes)
      << "a staged array of " << num_bytes << " bytes: at most " << kSegmentBytes;
  if (used_ + num_bytes > kSegmentBytes) {
    SY_CUDA_CHECK(cudaEventRecord(passed_[segment_], device_.stream()));
    segment_ = (segment_ + 1) % kNumSegments;
    used_ = 0;
    SY_CUDA_CHECK(cudaEventSynchronize(passed_[segment_]));  // at once where never recorded
  }
  const int64_t offset = segment_ * kSegmentBytes + used_;
  used_ += (num_bytes + kAlignment - 1) / kAlignment * kAlignment;
  return {host_ + offset, static_cast<std::byte*>(memory_.data()) + offset, num_bytes};
}

void HostStaging::Send(const Place& place) {
  if (place.num_bytes == 0) return;
  SY_CUDA_CHECK(cudaMemcpyAsync(place.device, place.host, static_cast<size_t>(place.num_bytes),
                                cudaMemcpyHostToDevice, device_.stream()));
}

}  // namespace switchyard::kernels::cuda
