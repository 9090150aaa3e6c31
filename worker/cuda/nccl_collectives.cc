#include "worker/cuda/nccl_collectives.h"

#include <nccl.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <thread>

#include "kernels/cuda/cuda_check.h"

namespace switchyard::worker::cuda {
namespace {

using Clock = std::chrono::steady_clock;
using kernels::DType;
using kernels::TensorView;

constexpr std::chrono::microseconds kPollInterval(50);

absl::Status NcclError(std::string_view what, ncclResult_t result) {
  return absl::UnavailableError(fmt::format("NCCL, {}: {}", what, ncclGetErrorString(result)));
}

class NcclCollectives final : public Collectives {
 public:
  NcclCollectives(kernels::Ops& ops, cudaStream_t stream, const CommunicatorOptions& options)
      : Collectives(options.rank, options.size),
        ops_(ops),
        ops_stream_(stream),
        stream_(stream),
        timeout_(options.timeout),
        counts_(ops.device().Allocate(CountsBytes())) {
    if (!overlaps()) return;
    SY_CUDA_CHECK(cudaStreamCreateWithFlags(&own_stream_, cudaStreamNonBlocking));
    SY_CUDA_CHECK(cudaEventCreateWithFlags(&forked_, cudaEventDisableTiming));
    for (cudaEvent_t& point : points_) {
      SY_CUDA_CHECK(cudaEventCreateWithFlags(&point, cudaEventDisableTiming));
    }
    SY_CUDA_CHECK(cudaMallocHost(&host_counts_, static_cast<size_t>(CountsBytes())));
  }

  ~NcclCollectives() override {
    {
      const std::lock_guard lock(mutex_);
      // All calls have returned: nothing is under way that anybody waits for.
      if (comm_ != nullptr && !aborted_) ncclCommAbort(comm_);
    }
    if (!overlaps()) return;
    cudaStreamSynchronize(own_stream_);
    cudaStreamDestroy(own_stream_);
    cudaEventDestroy(forked_);
    for (const cudaEvent_t point : points_) cudaEventDestroy(point);
    cudaFreeHost(host_counts_);
  }

  bool overlaps() const override { return size() > 1; }

  void Fork() override {
    if (!overlaps()) return;
    SY_CHECK(stream_ == ops_stream_) << "Fork twice";
    SY_CUDA_CHECK(cudaEventRecord(forked_, ops_stream_));
    SY_CUDA_CHECK(cudaStreamWaitEvent(own_stream_, forked_, 0));
    stream_ = own_stream_;
  }

  void Mark(int point) override {
    if (!overlaps()) return;
    SY_CHECK(stream_ == own_stream_) << "Mark without a Fork";
    SY_CUDA_CHECK(cudaEventRecord(points_[point], own_stream_));
    stream_ = ops_stream_;
  }

  void Await(int point) override {
    if (overlaps()) SY_CUDA_CHECK(cudaStreamWaitEvent(ops_stream_, points_[point], 0));
  }

  absl::Status Connect(const ncclUniqueId& id, Clock::time_point deadline,
                       const std::function<bool()>& given_up) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so that every wait has an end
    ncclComm_t comm = nullptr;
    const ncclResult_t result = ncclCommInitRankConfig(&comm, size(), id, rank(), &config);
    {
      const std::lock_guard lock(mutex_);
      comm_ = comm;
    }
    if (result != ncclSuccess && result != ncclInProgress) return NcclError("connect", result);
    return AwaitIssued("connect", deadline, given_up);
  }

  void Abort() override {
    const std::lock_guard lock(mutex_);
    if (aborted_) return;
    aborted_ = true;
    if (comm_ != nullptr) ncclCommAbort(comm_);
  }

 private:
  absl::Status DoExchange(std::string_view name, std::span<const Transfer> transfers) override {
    SY_RETURN_IF_ERROR(Enqueue(name, transfers));
    return size() == 1 ? absl::OkStatus() : AwaitIssued(name, Clock::now() + timeout_);
  }

  absl::Status Enqueue(std::string_view name, std::span<const Transfer> transfers) {
    const std::lock_guard lock(mutex_);
    if (aborted_) return absl::CancelledError("the communicator was aborted");
    if (size() == 1) return absl::OkStatus();
    ncclResult_t result = ncclGroupStart();
    for (int peer = 0; peer < size(); ++peer) {
      const Transfer& transfer = transfers[peer];
      if (transfer.send_bytes > 0) {
        Keep(ncclSend(transfer.send, transfer.send_bytes, ncclChar, peer, comm_, stream_), &result);
      }
      if (transfer.recv_bytes > 0) {
        Keep(ncclRecv(transfer.recv, transfer.recv_bytes, ncclChar, peer, comm_, stream_), &result);
      }
    }
    Keep(ncclGroupEnd(), &result);
    if (result != ncclSuccess && result != ncclInProgress) return NcclError(name, result);
    return absl::OkStatus();
  }

  // The first failure stays.
  static void Keep(ncclResult_t next, ncclResult_t* result) {
    if (*result == ncclSuccess || *result == ncclInProgress) *result = next;
  }

  // Until NCCL has taken what was asked of it (which is not the end of the transfers).
  absl::Status AwaitIssued(std::string_view name, Clock::time_point deadline,
                           const std::function<bool()>& given_up = {}) {
    while (true) {
      ncclResult_t state = ncclSuccess;
      {
        const std::lock_guard lock(mutex_);
        if (aborted_) return absl::CancelledError("the communicator was aborted");
        if (const ncclResult_t result = ncclCommGetAsyncError(comm_, &state);
            result != ncclSuccess) {
          return NcclError(name, result);
        }
      }
      if (state == ncclSuccess) return absl::OkStatus();
      if (state != ncclInProgress) return NcclError(name, state);
      if (given_up && given_up()) {
        Abort();
        return absl::CancelledError("connecting was given up");
      }
      if (Clock::now() >= deadline) {
        Abort();
        return absl::DeadlineExceededError(fmt::format("NCCL, {}: a rank did not come", name));
      }
      std::this_thread::sleep_for(kPollInterval);
    }
  }

  void CopyOwn(void* to, const void* from, int64_t num_bytes) override {
    Copy(to, from, num_bytes, cudaMemcpyDeviceToDevice);
  }

  void Copy(void* to, const void* from, int64_t num_bytes, cudaMemcpyKind kind) {
    SY_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<size_t>(num_bytes), kind, stream_));
  }

  void ReduceTree(Reduction reduction, float* parts, int64_t stride, float* out,
                  int64_t n) override {
    if (n == 0) return;
    SY_CHECK(stream_ == ops_stream_) << "a reduction between Fork and Join";
    TensorView view(parts, DType::kF32, {size(), n});
    view.row_stride = stride;
    const TensorView y(out, DType::kF32, {n});
    if (reduction == Reduction::kSum) return ops_.TreeSum({.parts = view, .y = y});
    ops_.LargestPart({.parts = view, .y = y});
  }

  // Sent, then received.
  int64_t CountsBytes() const { return 2 * size() * kMostCounts * SizeOf(DType::kI32); }

  absl::Status DoBeginCounts(const int32_t* sent, int64_t n) override {
    SY_CHECK_GT(size(), 1) << "counts of a rank alone";
    const int64_t num_bytes = size() * n * SizeOf(DType::kI32);
    auto* const received = static_cast<std::byte*>(counts_.data());
    auto* const on_host = static_cast<std::byte*>(host_counts_);
    SY_RETURN_IF_ERROR(AllToAll(sent, received, n * SizeOf(DType::kI32)));
    Copy(on_host, sent, num_bytes, cudaMemcpyDeviceToHost);
    Copy(on_host + num_bytes, received, num_bytes, cudaMemcpyDeviceToHost);
    return absl::OkStatus();
  }

  absl::Status DoEndCounts(std::span<int32_t> sent, std::span<int32_t> received) override {
    SY_RETURN_IF_ERROR(Settle());
    const auto* const on_host = static_cast<const int32_t*>(host_counts_);
    std::copy_n(on_host, sent.size(), sent.begin());
    std::copy_n(on_host + sent.size(), received.size(), received.begin());
    return absl::OkStatus();
  }

  // Waits for all calls so far.
  absl::Status Settle() {
    SY_CUDA_CHECK(cudaStreamSynchronize(stream_));
    const std::lock_guard lock(mutex_);
    return aborted_ ? absl::CancelledError("the communicator was aborted") : absl::OkStatus();
  }

  absl::Status AllToAllCounts(std::span<const int32_t> in, std::span<int32_t> out) override {
    const int64_t num_bytes = size() * SizeOf(DType::kI32);
    auto* const sent = static_cast<std::byte*>(counts_.data());
    Copy(sent, in.data(), num_bytes, cudaMemcpyHostToDevice);
    SY_RETURN_IF_ERROR(AllToAll(sent, sent + num_bytes, SizeOf(DType::kI32)));
    Copy(out.data(), sent + num_bytes, num_bytes, cudaMemcpyDeviceToHost);
    return Settle();
  }

  kernels::Ops& ops_;
  const cudaStream_t ops_stream_;
  cudaStream_t own_stream_ = nullptr;
  cudaStream_t stream_;  // of calls: ops_stream_, or between Fork and Join own_stream_
  cudaEvent_t forked_ = nullptr;
  cudaEvent_t points_[kNumPoints] = {};
  void* host_counts_ = nullptr;  // pinned, of CountsBytes
  const std::chrono::milliseconds timeout_;
  const kernels::Buffer counts_;  // of CountsBytes
  std::mutex mutex_;              // of all below, and of calls into the communicator
  ncclComm_t comm_ = nullptr;     // null for one rank
  bool aborted_ = false;
};

absl::StatusOr<ncclUniqueId> ShareId(RendezvousStore& store, const CommunicatorOptions& options,
                                     Clock::time_point deadline) {
  const std::string key = options.name + "/nccl-id";
  ncclUniqueId id;
  if (options.rank == 0) {
    if (const ncclResult_t result = ncclGetUniqueId(&id); result != ncclSuccess) {
      return NcclError("unique id", result);
    }
    SY_RETURN_IF_ERROR(store.Put(key, std::string_view(id.internal, sizeof(id.internal))));
    return id;
  }
  SY_ASSIGN_OR_RETURN(const std::string bytes,
                      WaitUnlessGivenUp(store, key, deadline, options.given_up));
  if (bytes.size() != sizeof(id.internal)) return absl::InternalError("NCCL: an id of wrong size");
  bytes.copy(id.internal, sizeof(id.internal));
  return id;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Collectives>> ConnectNccl(kernels::Ops& ops, cudaStream_t stream,
                                                         RendezvousStore& store,
                                                         const CommunicatorOptions& options) {
  auto collectives = std::make_unique<NcclCollectives>(ops, stream, options);
  if (options.size > 1) {
    const Clock::time_point deadline = Clock::now() + options.connect_timeout;
    SY_ASSIGN_OR_RETURN(const ncclUniqueId id, ShareId(store, options, deadline));
    SY_RETURN_IF_ERROR(collectives->Connect(id, deadline, options.given_up));
  }
  return collectives;
}

}  // namespace switchyard::worker::cuda
