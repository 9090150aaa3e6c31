#include "kernels/cuda/upload_lane.h"

#include <algorithm>

#include "kernels/cuda/cuda_check.h"

namespace switchyard::kernels::cuda {

UploadLane::UploadLane(CudaDevice& device) : device_(device) {
  device.stream();  // makes the device this thread's
  SY_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  SY_CUDA_CHECK(cudaEventCreateWithFlags(&issued_, cudaEventDisableTiming));
}

UploadLane::~UploadLane() {
  cudaStreamSynchronize(stream_);
  for (const auto& piece : pieces_) {
    cudaEventDestroy(piece->left);
    cudaFreeHost(piece->host);
  }
  cudaEventDestroy(issued_);
  cudaStreamDestroy(stream_);
}

UploadLane::Piece* UploadLane::Take(int64_t num_bytes) {
  device_.stream();
  Piece* piece = nullptr;
  {
    std::unique_lock lock(mutex_);
    // Two and more, so that one can be filled while another leaves.
    const bool has_left = !free_.empty() && cudaEventQuery(free_.front()->left) == cudaSuccess;
    if (!has_left && pieces_.size() < kMostPieces) {
      pieces_.push_back(std::make_unique<Piece>());
      piece = pieces_.back().get();
    } else {
      given_back_.wait(lock, [&] { return !free_.empty(); });
      piece = free_.front();
      free_.pop_front();
    }
  }
  if (piece->left == nullptr) {
    SY_CUDA_CHECK(cudaEventCreateWithFlags(&piece->left, cudaEventDisableTiming));
  }
  SY_CUDA_CHECK(cudaEventSynchronize(piece->left));  // at once the first time
  if (piece->num_bytes < num_bytes) Resize(piece, num_bytes);
  return piece;
}

void UploadLane::Resize(Piece* piece, int64_t num_bytes) {
  if (piece->host != nullptr) SY_CUDA_CHECK(cudaFreeHost(piece->host));
  piece->num_bytes = std::max(num_bytes, kPieceBytes);
  void* host = nullptr;
  SY_CUDA_CHECK(cudaHostAlloc(&host, static_cast<size_t>(piece->num_bytes), cudaHostAllocDefault));
  piece->host = static_cast<std::byte*>(host);
}

void UploadLane::Send(Piece* piece, void* to, int64_t num_bytes) {
  SY_CHECK_LE(num_bytes, piece->num_bytes);
  const cudaStream_t ops = device_.stream();
  {
    const std::lock_guard lock(mutex_);
    SY_CUDA_CHECK(cudaEventRecord(issued_, ops));
    SY_CUDA_CHECK(cudaStreamWaitEvent(stream_, issued_, 0));
    SY_CUDA_CHECK(cudaMemcpyAsync(to, piece->host, static_cast<size_t>(num_bytes),
                                  cudaMemcpyHostToDevice, stream_));
    SY_CUDA_CHECK(cudaEventRecord(piece->left, stream_));
    SY_CUDA_CHECK(cudaStreamWaitEvent(ops, piece->left, 0));
    free_.push_back(piece);
  }
  given_back_.notify_one();
}

}  // namespace switchyard::kernels::cuda
