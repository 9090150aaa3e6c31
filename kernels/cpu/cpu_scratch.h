// Working memory that ops keep between calls: it grows while the first, largest steps run, and
// never shrinks or moves after. Owner: CpuContext. Thread: the thread that calls the op reserves;
// the threads of its regions then share what was reserved.
#ifndef SWITCHYARD_KERNELS_CPU_CPU_SCRATCH_H_
#define SWITCHYARD_KERNELS_CPU_CPU_SCRATCH_H_

#include <cstdint>
#include <vector>

#include "kernels/cpu/huge_pages.h"
#include "kernels/cpu/product.h"

namespace switchyard::kernels::cpu {

// A grow-only array; what it held is lost when it grows.
template <typename T>
class ScratchArray {
 public:
  // Room for `count` elements, aligned to 64 bytes; contents undefined.
  T* Reserve(int64_t count) {
    if (count > capacity_) {
      memory_ = HugePages();
      memory_ = HugePages(count * static_cast<int64_t>(sizeof(T)));
      capacity_ = count;
    }
    return static_cast<T*>(memory_.data());
  }

 private:
  HugePages memory_;
  int64_t capacity_ = 0;
};

struct CpuScratch {
  ScratchArray<uint32_t> words;          // activations in the form that panels are multiplied with
  ScratchArray<float> row_scales;        // their quantisation scales
  ScratchArray<float> hidden;            // rows between the two halves of an MLP
  ScratchArray<float> sums;              // accumulators, one piece per thread
  ScratchArray<float> attention;         // attention's packed tiles and unfinished softmaxes
  ScratchArray<int64_t> attention_rows;  // where each row's attention tasks begin
  std::vector<Product> products;         // the task list of a region
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_CPU_SCRATCH_H_
