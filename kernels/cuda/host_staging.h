// Takes small host arrays (positions, block tables, offsets) to the device without a wait: they are
// copied into pinned memory and from there, in stream order, to the same place of a device buffer.
#ifndef SWITCHYARD_KERNELS_CUDA_HOST_STAGING_H_
#define SWITCHYARD_KERNELS_CUDA_HOST_STAGING_H_

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/cuda/cuda_device.h"

namespace switchyard::kernels::cuda {

// A ring of kNumSegments; a segment is written again when the device has passed the ops that read
// it. Thread: the one that runs ops.
class HostStaging {
 public:
  static constexpr int64_t kSegmentBytes = int64_t{8} << 20;  // bound of one array

  explicit HostStaging(CudaDevice& device);
  ~HostStaging();
  HostStaging(const HostStaging&) = delete;
  HostStaging& operator=(const HostStaging&) = delete;

  // The device's copy of `values`, aligned to 256 bytes; good for the ops issued before the next
  // (kNumSegments - 1) * kSegmentBytes are staged.
  template <typename T>
  const T* Upload(std::span<const T> values) {
    const Place place = Reserve(static_cast<int64_t>(values.size_bytes()));
    auto* to = reinterpret_cast<T*>(place.host);
    for (size_t i = 0; i < values.size(); ++i) to[i] = values[i];
    Send(place);
    return reinterpret_cast<const T*>(place.device);
  }

  // The same in two halves, for arrays that are built in place: Reserve, fill `host`, Send.
  struct Place {
    std::byte* host;
    std::byte* device;
    int64_t num_bytes;
  };
  Place Reserve(int64_t num_bytes);
  void Send(const Place& place);

 private:
  static constexpr int kNumSegments = 4;
  static constexpr int64_t kAlignment = 256;

  CudaDevice& device_;
  std::byte* host_ = nullptr;  // pinned, kNumSegments * kSegmentBytes
  Buffer memory_;              // the same size
  std::array<cudaEvent_t, kNumSegments> passed_{};
  int segment_ = 0;
  int64_t used_ = 0;  // of the segment
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_HOST_STAGING_H_
