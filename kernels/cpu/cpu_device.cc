#include "kernels/cpu/cpu_device.h"

#include <sched.h>

#include <cstring>
#include <thread>

#include "base/check.h"
#include "base/status.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kAlignment = 64;

int NumAllowedCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

Buffer BufferOf(std::shared_ptr<HugePages> pages, int64_t num_bytes) {
  void* const data = pages->data();
  return Buffer(data, num_bytes, [owned = std::move(pages)](void*) mutable { owned.reset(); });
}

}  // namespace

absl::StatusOr<Isa> ChooseIsa(const std::string& name) {
  const Isa best = BestIsa();
  if (name == "auto") return best;
  std::string names = "auto";
  for (const Isa isa : kIsas) {
    if (isa > best) break;
    if (name == Name(isa)) return isa;
    names += fmt::format(", {}", Name(isa));
  }
  return absl::InvalidArgumentError(
      fmt::format("instruction set \"{}\": this CPU has {}", name, names));
}

absl::StatusOr<ThreadPool::Options> ChooseThreads(const CpuBackendOptions& options) {
  if (options.num_threads < 0 || options.num_threads > kMaxThreads) {
    return absl::InvalidArgumentError(fmt::format(
        "{} threads: expected 1 to {}, or 0 for one per core", options.num_threads, kMaxThreads));
  }
  const int num_threads = options.num_threads > 0 ? options.num_threads : NumAllowedCpus();
  return ThreadPool::Options{.num_threads = std::min(num_threads, kMaxThreads),
                             .first_cpu = options.first_cpu};
}

Buffer CpuDevice::Allocate(int64_t num_bytes) {
  SY_CHECK_GE(num_bytes, 0);
  if (num_bytes >= kHugePageBytes)
    return BufferOf(std::make_shared<HugePages>(num_bytes), num_bytes);
  const int64_t taken =
      std::max<int64_t>(1, (num_bytes + kAlignment - 1) / kAlignment) * kAlignment;
  const std::lock_guard lock(mutex_);
  if (chunk_ == nullptr || chunk_used_ + taken > kChunkBytes) {
    chunk_ = std::make_shared<HugePages>(kChunkBytes);
    chunk_used_ = 0;
  }
  void* data = static_cast<std::byte*>(chunk_->data()) + chunk_used_;
  chunk_used_ += taken;
  return Buffer(data, num_bytes, [chunk = chunk_](void*) mutable { chunk.reset(); });
}

Buffer CpuDevice::AllocateAhead(int64_t num_bytes) {
  if (num_bytes < kHugePageBytes) return Allocate(num_bytes);
  auto pages = std::make_shared<HugePages>(num_bytes);
  warmer_.Add(pages);
  return BufferOf(std::move(pages), num_bytes);
}

// Nothing may come from nowhere: memcpy takes no null, not even for no bytes.
void CpuDevice::CopyToDevice(void* to, const void* from_host, int64_t num_bytes) {
  if (num_bytes > 0) memcpy(to, from_host, static_cast<size_t>(num_bytes));
}

void CpuDevice::CopyToHost(void* to_host, const void* from, int64_t num_bytes) {
  if (num_bytes > 0) memcpy(to_host, from, static_cast<size_t>(num_bytes));
}

void CpuDevice::Zero(void* to, int64_t num_bytes) {
  if (num_bytes > 0) memset(to, 0, static_cast<size_t>(num_bytes));
}

}  // namespace switchyard::kernels::cpu
