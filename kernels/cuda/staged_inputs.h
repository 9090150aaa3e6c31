// The host arrays of recorded ops: pinned memory and a device buffer of its size, both kept as long
// as the recording. What changes from replay to replay stands at the front and travels in one copy.
#ifndef SWITCHYARD_KERNELS_CUDA_STAGED_INPUTS_H_
#define SWITCHYARD_KERNELS_CUDA_STAGED_INPUTS_H_

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/cuda/cuda_device.h"

namespace switchyard::kernels::cuda {

// Thread: the one that runs ops.
class StagedInputs {
 public:
  static constexpr int64_t kBytes = int64_t{8} << 20;  // of all arrays

  // Writes an array to host memory; false where it has no room for what must be written.
  using Fill = std::function<bool(std::byte* host)>;
  // What an array is made of: addresses of host arrays, lengths, numbers.
  using Key = std::array<int64_t, 8>;

  explicit StagedInputs(CudaDevice& device);
  ~StagedInputs();
  StagedInputs(const StagedInputs&) = delete;
  StagedInputs& operator=(const StagedInputs&) = delete;

  // All arrays so far have room. Those that have none get a place that nothing may be launched on.
  bool fits() const { return fits_; }

  // Where the device finds an array that `fill` writes at each Send. Arrays of one key are one:
  // every layer of a model reads the same positions and block tables.
  const std::byte* Add(int64_t num_bytes, const Key& key, Fill fill);
  // Where it finds these bytes.
  const std::byte* AddOnce(std::span<const std::byte> bytes);

  // After the last Add: what stays as it is goes to the device.
  void Finish();
  // Before each replay. False, and nothing is sent, where something does not fit.
  bool Send();

 private:
  struct Array {
    Key key;
    int64_t offset;
    Fill fill;
  };
  bool Fits(int64_t num_bytes);

  CudaDevice& device_;
  std::byte* host_ = nullptr;  // pinned, kBytes
  Buffer memory_;              // the same size
  cudaEvent_t sent_ = nullptr;
  std::vector<Array> arrays_;
  bool fits_ = true;
  int64_t used_ = 0;             // from the front, by arrays_
  int64_t once_begin_ = kBytes;  // from here to the back: what stays as it is
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_STAGED_INPUTS_H_
