#include "kernels/cpu/huge_pages.h"

#include <sys/mman.h>

#include <cstddef>
#include <new>

#include "base/check.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kPageBytes = 4096;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

HugePages::HugePages(int64_t num_bytes) : num_bytes_(RoundUp(num_bytes, kPageBytes)) {
  SY_CHECK_GT(num_bytes, 0);
  // Map more than is asked for, then give back what lies before the first huge-page border and
  // after the end.
  const int64_t slack = num_bytes_ >= kHugePageBytes ? kHugePageBytes : 0;
  const int64_t mapped = num_bytes_ + slack;
  void* address = mmap(nullptr, static_cast<size_t>(mapped), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    // As `new` does: a program may have said how it wants to end then.
    if (const std::new_handler handler = std::get_new_handler()) handler();
    SY_CHECK(false) << "no memory for " << num_bytes << " bytes";
  }
  auto* begin = static_cast<std::byte*>(address);
  if (slack > 0) {
    const auto misalignment =
        static_cast<int64_t>(reinterpret_cast<uintptr_t>(begin) % kHugePageBytes);
    const int64_t head = misalignment == 0 ? 0 : kHugePageBytes - misalignment;
    if (head > 0) munmap(begin, static_cast<size_t>(head));
    begin += head;
    if (slack > head) munmap(begin + num_bytes_, static_cast<size_t>(slack - head));
    // Only advice: a system without huge pages works, slower.
    madvise(begin, static_cast<size_t>(num_bytes_), MADV_HUGEPAGE);
  }
  data_ = begin;
}

HugePages::~HugePages() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(num_bytes_));
}

}  // namespace switchyard::kernels::cpu
