// Memory and identity of the CPU backend.
#ifndef SWITCHYARD_KERNELS_CPU_CPU_DEVICE_H_
#define SWITCHYARD_KERNELS_CPU_CPU_DEVICE_H_

#include <memory>
#include <mutex>
#include <string>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/huge_pages.h"
#include "kernels/cpu/page_warmer.h"
#include "kernels/device.h"

namespace switchyard::kernels::cpu {

// The level named, or the best for "auto". INVALID_ARGUMENT for one that this machine lacks.
absl::StatusOr<Isa> ChooseIsa(const std::string& name);

// Thread count and pinning for this process. INVALID_ARGUMENT for more threads than a process may
// reasonably have.
absl::StatusOr<ThreadPool::Options> ChooseThreads(const CpuBackendOptions& options);

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(Isa isa) : isa_(isa) {}

  std::string backend() const override { return "cpu"; }
  std::string isa() const override { return std::string(Name(isa_)); }
  Buffer Allocate(int64_t num_bytes) override;       // from any thread
  Buffer AllocateAhead(int64_t num_bytes) override;  // from any thread
  bool shares_host_memory() const override { return true; }
  void CopyToDevice(void* to, const void* from_host, int64_t num_bytes) override;
  void CopyToHost(void* to_host, const void* from, int64_t num_bytes) override;
  void Zero(void* to, int64_t num_bytes) override;
  void Synchronize() override {}

 private:
  static constexpr int64_t kChunkBytes = 16 * kHugePageBytes;

  const Isa isa_;
  // Buffers smaller than a huge page are cut from a chunk, which lives as long as one of them or
  // this device needs it.
  std::mutex mutex_;
  std::shared_ptr<HugePages> chunk_;
  int64_t chunk_used_ = 0;
  PageWarmer warmer_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_CPU_DEVICE_H_
