#include "worker/parallel/collectives.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/units.h"

namespace switchyard::worker {
namespace {

// Below this many bytes sent per rank, one exchange that gathers everything costs less than the two
// of reduce-scatter and gather: about what a connection carries during one exchange's latency.
constexpr int64_t kReduceByGatherBytes = 64 * kKiB;

const std::byte* Offset(const void* data, int64_t num_bytes) {
  return static_cast<const std::byte*>(data) + num_bytes;
}
std::byte* Offset(void* data, int64_t num_bytes) {
  return static_cast<std::byte*>(data) + num_bytes;
}

void Sum(const float* a, const float* b, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

void Max(const float* a, const float* b, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = (a[i] > b[i] || std::isnan(a[i])) ? a[i] : b[i];
}

}  // namespace

Collectives::Collectives(int rank, int size)
    : rank_(rank),
      size_(size),
      transfers_(size),
      slice_bytes_(size),
      barrier_counts_(2 * size),
      counts_(2 * size * kMostCounts) {
  SY_CHECK(size >= 1 && rank >= 0 && rank < size) << "rank " << rank << " of " << size;
}

absl::Status Collectives::Exchange(std::string_view name) {
  const auto begin = std::chrono::steady_clock::now();
  started_.fetch_add(1, std::memory_order_relaxed);
  const Transfer own = std::exchange(transfers_[rank_], {});
  if (failure_.ok()) failure_ = DoExchange(name, transfers_);
  if (failure_.ok() && own.recv_bytes > 0 && own.recv != own.send) {
    CopyOwn(own.recv, own.send, own.recv_bytes);
  }
  finished_.fetch_add(1, std::memory_order_relaxed);
  time_in_calls_ += std::chrono::steady_clock::now() - begin;
  return failure_;
}

void Collectives::CopyOwn(void* to, const void* from, int64_t num_bytes) {
  std::memcpy(to, from, num_bytes);
}

// A balanced binary tree, in place.
void Collectives::ReduceTree(Reduction reduction, float* parts, int64_t stride, float* out,
                             int64_t n) {
  const auto reduce = reduction == Reduction::kSum ? Sum : Max;
  int64_t distance = 1;
  for (; 2 * distance < size_; distance *= 2) {
    for (int64_t i = 0; i + distance < size_; i += 2 * distance) {
      reduce(parts + i * stride, parts + (i + distance) * stride, parts + i * stride, n);
    }
  }
  reduce(parts, parts + distance * stride, out, n);
}

absl::Status Collectives::AllGather(const void* in, void* out, int64_t num_bytes) {
  for (int r = 0; r < size_; ++r) {
    transfers_[r] = {.send = in,
                     .send_bytes = num_bytes,
                     .recv = Offset(out, r * num_bytes),
                     .recv_bytes = num_bytes};
  }
  return Exchange("AllGather");
}

absl::Status Collectives::AllGatherV(const void* in, void* out,
                                     std::span<const int64_t> num_bytes) {
  SY_CHECK_EQ(std::ssize(num_bytes), size_);
  int64_t offset = 0;
  for (int r = 0; r < size_; ++r) {
    transfers_[r] = {.send = in,
                     .send_bytes = num_bytes[rank_],
                     .recv = Offset(out, offset),
                     .recv_bytes = num_bytes[r]};
    offset += num_bytes[r];
  }
  return Exchange("AllGatherV");
}

absl::Status Collectives::AllToAll(const void* in, void* out, int64_t num_bytes) {
  for (int r = 0; r < size_; ++r) {
    transfers_[r] = {.send = Offset(in, r * num_bytes),
                     .send_bytes = num_bytes,
                     .recv = Offset(out, r * num_bytes),
                     .recv_bytes = num_bytes};
  }
  return Exchange("AllToAll");
}

absl::Status Collectives::AllToAllV(const void* in, std::span<const int64_t> send_bytes, void* out,
                                    std::span<const int64_t> recv_bytes) {
  SY_CHECK_EQ(std::ssize(send_bytes), size_);
  SY_CHECK_EQ(std::ssize(recv_bytes), size_);
  SY_CHECK_EQ(send_bytes[rank_], recv_bytes[rank_]) << "bytes that stay on this rank";
  int64_t send_offset = 0;
  int64_t recv_offset = 0;
  for (int r = 0; r < size_; ++r) {
    transfers_[r] = {.send = Offset(in, send_offset),
                     .send_bytes = send_bytes[r],
                     .recv = Offset(out, recv_offset),
                     .recv_bytes = recv_bytes[r]};
    send_offset += send_bytes[r];
    recv_offset += recv_bytes[r];
  }
  return Exchange("AllToAllV");
}

absl::Status Collectives::AllToAllCounts(std::span<const int32_t> in, std::span<int32_t> out) {
  return AllToAll(in.data(), out.data(), sizeof(int32_t));
}

absl::Status Collectives::BeginCounts(const int32_t* sent, int64_t n) {
  SY_CHECK(n >= 1 && n <= kMostCounts) << n << " counts of a rank";
  SY_CHECK_EQ(num_counts_, 0) << "BeginCounts twice";
  num_counts_ = n;
  return DoBeginCounts(sent, n);
}

absl::Status Collectives::EndCounts(std::span<int32_t> sent, std::span<int32_t> received) {
  SY_CHECK(num_counts_ > 0) << "EndCounts without BeginCounts";
  SY_CHECK_EQ(std::ssize(sent), size_ * num_counts_);
  SY_CHECK_EQ(std::ssize(received), size_ * num_counts_);
  num_counts_ = 0;
  SY_RETURN_IF_ERROR(failure_);
  const auto begin = std::chrono::steady_clock::now();
  absl::Status status = DoEndCounts(sent, received);
  time_in_calls_ += std::chrono::steady_clock::now() - begin;
  return status;
}

absl::Status Collectives::DoBeginCounts(const int32_t* sent, int64_t n) {
  const int64_t all = size_ * n;
  std::copy_n(sent, all, counts_.begin());
  return AllToAll(counts_.data(), counts_.data() + all, n * int64_t{sizeof(int32_t)});
}

absl::Status Collectives::DoEndCounts(std::span<int32_t> sent, std::span<int32_t> received) {
  std::ranges::copy(std::span(counts_).first(sent.size()), sent.begin());
  std::ranges::copy(std::span(counts_).subspan(sent.size(), sent.size()), received.begin());
  return absl::OkStatus();
}

absl::Status Collectives::Broadcast(void* data, int64_t num_bytes, int root) {
  SY_CHECK(root >= 0 && root < size_) << "root " << root << " of " << size_;
  std::fill(transfers_.begin(), transfers_.end(), Transfer{});
  if (rank_ == root) {
    for (Transfer& transfer : transfers_) transfer = {.send = data, .send_bytes = num_bytes};
    transfers_[rank_] = {};
  } else {
    transfers_[root] = {.recv = data, .recv_bytes = num_bytes};
  }
  return Exchange("Broadcast");
}

absl::Status Collectives::Barrier() {
  // Something each way: an exchange of nothing would wait for nobody.
  const std::span<int32_t> counts(barrier_counts_);
  const auto begin = std::chrono::steady_clock::now();
  const std::chrono::nanoseconds before = time_in_calls_;
  const absl::Status status = AllToAllCounts(counts.first(size_), counts.last(size_));
  time_in_calls_ = before + (std::chrono::steady_clock::now() - begin);
  return status;
}

bool Collectives::ReducesByGather(int64_t n) const {
  const int64_t bytes_sent = (size_ - 1) * n * static_cast<int64_t>(sizeof(float));
  return size_ <= 2 || bytes_sent <= kReduceByGatherBytes;
}

int64_t Collectives::ReduceScratchSize(int64_t n) const {
  if (size_ == 1) return 0;
  return size_ * (ReducesByGather(n) ? n : CeilDiv(n, size_));
}

int64_t Collectives::MaxReduceScratchSize(int size, int64_t n) {
  if (size == 1) return 0;
  if (size == 2) return 2 * n;
  const int64_t largest_gather = kReduceByGatherBytes / (int64_t{sizeof(float)} * (size - 1));
  return std::max(size * std::min(n, largest_gather), size * CeilDiv(n, size));
}

// Small: everybody gathers everything and walks the tree. Large: rank r walks it for slice r of the
// elements, then slices are gathered. Either way each element takes the same tree.
absl::Status Collectives::AllReduce(Reduction reduction, float* data, int64_t n,
                                    std::span<float> scratch) {
  SY_CHECK_GE(std::ssize(scratch), ReduceScratchSize(n)) << "scratch of a reduction";
  if (size_ == 1 || n == 0) return failure_;
  if (ReducesByGather(n)) {
    SY_RETURN_IF_ERROR(AllGather(data, scratch.data(), n * sizeof(float)));
    ReduceTree(reduction, scratch.data(), n, data, n);
    return absl::OkStatus();
  }
  const auto slice_begin = [&](int64_t r) { return n * r / size_; };
  const int64_t begin = slice_begin(rank_);
  const int64_t own = slice_begin(rank_ + 1) - begin;
  for (int r = 0; r < size_; ++r) {
    slice_bytes_[r] = (slice_begin(r + 1) - slice_begin(r)) * static_cast<int64_t>(sizeof(float));
    transfers_[r] = {.send = data + slice_begin(r),
                     .send_bytes = slice_bytes_[r],
                     .recv = scratch.data() + r * own,
                     .recv_bytes = own * static_cast<int64_t>(sizeof(float))};
  }
  SY_RETURN_IF_ERROR(Exchange("ReduceScatter"));
  ReduceTree(reduction, scratch.data(), own, data + begin, own);
  return AllGatherV(data + begin, data, slice_bytes_);
}

absl::Status Collectives::AllReduceMax(float* data, int64_t n, std::span<float> scratch) {
  return AllReduce(Reduction::kMax, data, n, scratch);
}

absl::Status Collectives::TreeAllReduce(float* data, int64_t n, std::span<float> scratch) {
  SY_CHECK(IsPowerOfTwo(size_)) << "tree sum over " << size_ << " ranks";
  return AllReduce(Reduction::kSum, data, n, scratch);
}

}  // namespace switchyard::worker
