#include "kernels/cuda/staged_inputs.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/cuda_check.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int64_t kAlignment = 256;

int64_t Aligned(int64_t num_bytes) {
  return (num_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

StagedInputs::StagedInputs(CudaDevice& device) : device_(device), memory_(device.Allocate(kBytes)) {
  void* host = nullptr;
  SY_CUDA_CHECK(cudaHostAlloc(&host, kBytes, cudaHostAllocDefault));
  host_ = static_cast<std::byte*>(host);
  SY_CUDA_CHECK(cudaEventCreateWithFlags(&sent_, cudaEventDisableTiming));
}

StagedInputs::~StagedInputs() {
  device_.Synchronize();
  cudaEventDestroy(sent_);
  cudaFreeHost(host_);
}

bool StagedInputs::Fits(int64_t num_bytes) {
  fits_ = fits_ && Aligned(num_bytes) <= once_begin_ - used_;
  return fits_;
}

const std::byte* StagedInputs::Add(int64_t num_bytes, const Key& key, Fill fill) {
  const auto same = std::find_if(arrays_.begin(), arrays_.end(),
                                 [&](const Array& array) { return array.key == key; });
  if (same != arrays_.end()) return static_cast<std::byte*>(memory_.data()) + same->offset;
  if (!Fits(num_bytes)) return static_cast<const std::byte*>(memory_.data());
  arrays_.push_back({.key = key, .offset = used_, .fill = std::move(fill)});
  used_ += Aligned(num_bytes);
  return static_cast<std::byte*>(memory_.data()) + arrays_.back().offset;
}

const std::byte* StagedInputs::AddOnce(std::span<const std::byte> bytes) {
  const auto num_bytes = static_cast<int64_t>(bytes.size());
  if (!Fits(num_bytes)) return static_cast<const std::byte*>(memory_.data());
  once_begin_ -= Aligned(num_bytes);
  std::memcpy(host_ + once_begin_, bytes.data(), bytes.size());
  return static_cast<std::byte*>(memory_.data()) + once_begin_;
}

void StagedInputs::Finish() {
  SY_CUDA_CHECK(cudaMemcpyAsync(static_cast<std::byte*>(memory_.data()) + once_begin_,
                                host_ + once_begin_, static_cast<size_t>(kBytes - once_begin_),
                                cudaMemcpyHostToDevice, device_.stream()));
}

bool StagedInputs::Send() {
  if (!fits_) return false;
  SY_CUDA_CHECK(cudaEventSynchronize(sent_));  // the last ones have left; at once the first time
  for (const Array& array : arrays_) {
    if (!array.fill(host_ + array.offset)) return false;
  }
  SY_CUDA_CHECK(cudaMemcpyAsync(memory_.data(), host_, static_cast<size_t>(used_),
                                cudaMemcpyHostToDevice, device_.stream()));
  SY_CUDA_CHECK(cudaEventRecord(sent_, device_.stream()));
  return true;
}

}  // namespace switchyard::kernels::cuda
