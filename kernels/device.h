// Where ops run: one GPU, or a set of CPU cores. Owns memory of that place.
#ifndef SWITCHYARD_KERNELS_DEVICE_H_
#define SWITCHYARD_KERNELS_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace switchyard::kernels {

// Device memory with one owner; freed when the last handle goes.
class Buffer {
 public:
  using Release = std::function<void(void*)>;
  Buffer() = default;
  Buffer(void* data, int64_t num_bytes, Release release)
      : data_(data, std::move(release)), num_bytes_(num_bytes) {}

  void* data() const { return data_.get(); }
  int64_t num_bytes() const { return num_bytes_; }

 private:
  std::unique_ptr<void, Release> data_{nullptr, [](void*) {}};
  int64_t num_bytes_ = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual std::string backend() const = 0;  // "cpu", "cuda"
  // The arithmetic that decides bits: "avx512-bf16", "avx2", "portable", "sm90".
  virtual std::string isa() const = 0;

  // Zeroed memory, aligned to 64 bytes at least (huge pages where the system has them). Dies of a
  // CHECK when there is none: sizes are planned before they are asked for.
  virtual Buffer Allocate(int64_t num_bytes) = 0;

  // The same for memory that steps come to use bit by bit: where pages come at the first touch,
  // they come beside other work instead, from the beginning on.
  virtual Buffer AllocateAhead(int64_t num_bytes) { return Allocate(num_bytes); }

  // Ops read and write the host's memory, and have done so when they return: copies cost no wait.
  virtual bool shares_host_memory() const = 0;

  virtual void CopyToDevice(void* to, const void* from_host, int64_t num_bytes) = 0;
  virtual void CopyToHost(void* to_host, const void* from, int64_t num_bytes) = 0;
  virtual void Zero(void* to, int64_t num_bytes) = 0;
  // Returns when everything issued before is done.
  virtual void Synchronize() = 0;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_DEVICE_H_
