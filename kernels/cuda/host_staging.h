// Takes small host arrays (positions, block tables, offsets) to the device without a wait: they are
// copied into pinned memory and from there, in stream order, to the same place of a device buffer.
#ifndef SWITCHYARD_KERNELS_CUDA_HOST_STAGING_H_
#define SWITCHYARD_KERNELS_CUDA_HOST_STAGING_H_

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/check.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/staged_inputs.h"

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
  // (kNumSegments - 1) * kSegmentBytes are staged. While ops are recorded: good for the recording,
  // which reads `values` anew at each replay.
  template <typename T>
  const T* Upload(std::span<const T> values) {
    return reinterpret_cast<const T*>(
        Stage(static_cast<int64_t>(values.size_bytes()), KeyOf(values), [values](std::byte* host) {
          std::memcpy(host, values.data(), values.size_bytes());
          return true;
        }));
  }
  // The same of values that are the op's own, and do not change while its arguments are the same.
  template <typename T>
  const T* UploadOnce(std::span<const T> values) {
    if (recorded_ == nullptr) return Upload(values);
    return reinterpret_cast<const T*>(recorded_->AddOnce(std::as_bytes(values)));
  }
  // The same of an array that `fill` makes in place, of what `key` says.
  const std::byte* Stage(int64_t num_bytes, const StagedInputs::Key& key, StagedInputs::Fill fill) {
    if (recorded_ != nullptr) return recorded_->Add(num_bytes, key, std::move(fill));
    const Place place = Reserve(num_bytes);
    SY_CHECK(fill(place.host)) << "a staged array does not fit";
    Send(place);
    return place.device;
  }

  // Ops are recorded: what they stage belongs to `inputs` from now on. Null: no longer.
  void RecordTo(StagedInputs* inputs) { recorded_ = inputs; }
  bool recording() const { return recorded_ != nullptr; }

 private:
  template <typename T>
  static StagedInputs::Key KeyOf(std::span<const T> values) {
    return {reinterpret_cast<intptr_t>(values.data()), static_cast<int64_t>(values.size_bytes())};
  }

  struct Place {
    std::byte* host;
    std::byte* device;
    int64_t num_bytes;
  };
  Place Reserve(int64_t num_bytes);
  void Send(const Place& place);

  static constexpr int kNumSegments = 4;
  static constexpr int64_t kAlignment = 256;

  CudaDevice& device_;
  StagedInputs* recorded_ = nullptr;
  std::byte* host_ = nullptr;  // pinned, kNumSegments * kSegmentBytes
  Buffer memory_;              // the same size
  std::array<cudaEvent_t, kNumSegments> passed_{};
  int segment_ = 0;
  int64_t used_ = 0;  // of the segment
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_HOST_STAGING_H_
