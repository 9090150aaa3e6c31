// Small arrays of the host to all ranks of a tensor group, through memory that the collectives can
// reach.
#ifndef SWITCHYARD_WORKER_EXEC_DEVICE_GATHER_H_
#define SWITCHYARD_WORKER_EXEC_DEVICE_GATHER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/status.h"
#include "kernels/device.h"
#include "worker/parallel/collectives.h"

namespace switchyard::worker {

// Thread: the one that calls the collectives.
class DeviceGather {
 public:
  // Up to `max_bytes` of each rank. `device` and `group` outlive it.
  DeviceGather(kernels::Device& device, Collectives& group, int64_t max_bytes)
      : device_(device),
        group_(group),
        max_bytes_(max_bytes),
        memory_(device.Allocate(group.size() > 1 ? max_bytes * (group.size() + 1) : 0)) {}

  int64_t num_bytes() const { return memory_.num_bytes(); }

  // all = every rank's `own`, in order. REQUIRES: own.size() is the same on all ranks and at most
  // max_bytes; all.size() = group size * own.size(). Errors: those of Collectives.
  absl::Status Gather(std::span<const std::byte> own, std::span<std::byte> all) {
    const auto size = static_cast<int64_t>(own.size());
    SY_CHECK_LE(size, max_bytes_);
    SY_CHECK_EQ(static_cast<int64_t>(all.size()), size * group_.size());
    auto* const from = static_cast<std::byte*>(memory_.data());
    std::byte* const to = from + max_bytes_;
    device_.CopyToDevice(from, own.data(), size);
    SY_RETURN_IF_ERROR(group_.AllGather(from, to, size));
    device_.CopyToHost(all.data(), to, size * group_.size());
    return absl::OkStatus();
  }

 private:
  kernels::Device& device_;
  Collectives& group_;
  const int64_t max_bytes_;
  kernels::Buffer memory_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_DEVICE_GATHER_H_
