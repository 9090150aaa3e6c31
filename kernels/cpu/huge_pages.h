// Anonymous zeroed memory, backed by huge pages where the system has them. Reading weights through
// 4 KiB pages costs up to half of the bandwidth.
#ifndef SWITCHYARD_KERNELS_CPU_HUGE_PAGES_H_
#define SWITCHYARD_KERNELS_CPU_HUGE_PAGES_H_

#include <cstdint>
#include <utility>

namespace switchyard::kernels::cpu {

inline constexpr int64_t kHugePageBytes = int64_t{2} << 20;

// One mapping, aligned to a huge page when it is as large as one. Its last part, less than a huge
// page, has small pages, so that no memory is wasted. Physical pages come at the first touch.
class HugePages {
 public:
  HugePages() = default;
  // Without memory it calls the std::new_handler, and dies of a CHECK if there is none.
  explicit HugePages(int64_t num_bytes);
  HugePages(HugePages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        num_bytes_(std::exchange(other.num_bytes_, 0)) {}
  HugePages& operator=(HugePages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(num_bytes_, other.num_bytes_);
    return *this;
  }
  ~HugePages();

  void* data() const { return data_; }
  int64_t num_bytes() const { return num_bytes_; }  // in whole pages

 private:
  void* data_ = nullptr;
  int64_t num_bytes_ = 0;  // of the mapping
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_HUGE_PAGES_H_
