// Takes large arrays to the device while the host makes their next pieces: through pinned memory,
// by a stream of its own. Weights go this way when they are packed.
#ifndef SWITCHYARD_KERNELS_CUDA_UPLOAD_LANE_H_
#define SWITCHYARD_KERNELS_CUDA_UPLOAD_LANE_H_

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/cuda/cuda_device.h"

namespace switchyard::kernels::cuda {

// Thread: any.
class UploadLane {
 public:
  static constexpr int64_t kPieceBytes = int64_t{16} << 20;
  static constexpr size_t kMostPieces = 8;  // bound of pinned memory, as long as none is larger

  // Pinned memory that one thread fills.
  struct Piece {
    std::byte* host = nullptr;
    int64_t num_bytes = 0;
    cudaEvent_t left = nullptr;  // what it held last is on the device
  };

  explicit UploadLane(CudaDevice& device);
  ~UploadLane();
  UploadLane(const UploadLane&) = delete;
  UploadLane& operator=(const UploadLane&) = delete;

  // At least `num_bytes` that are free to be written: waits until what they held has left, and
  // where kMostPieces are taken for one to come back. Every piece goes to Send.
  Piece* Take(int64_t num_bytes);
  // The first `num_bytes` of the piece to `to`, whose memory is ready for ops. Ops issued later
  // find them there.
  void Send(Piece* piece, void* to, int64_t num_bytes);

 private:
  void Resize(Piece* piece, int64_t num_bytes);

  CudaDevice& device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t issued_ = nullptr;  // ops so far
  std::mutex mutex_;              // of all below
  std::condition_variable given_back_;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::deque<Piece*> free_;  // the one that was sent first in front
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_UPLOAD_LANE_H_
