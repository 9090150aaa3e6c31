// The inner loops of ops on logits, one table per instruction set; all give the same bits. Each
// function walks a piece of one row.
#ifndef SWITCHYARD_KERNELS_CPU_LOGIT_KERNELS_H_
#define SWITCHYARD_KERNELS_CPU_LOGIT_KERNELS_H_

#include <cstdint>

#include "kernels/args/logits.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

inline constexpr uint32_t kNoBin = LogitHistogramArgs::kBins;

struct LogitKernels {
  // The largest of n > 0 values; NaN when one is.
  float (*max)(const float* x, int64_t n);
  // weights[i]: that of x[i] (args/logits.h), 0 where the cut removes it.
  void (*weigh)(const float* x, int64_t n, const LogitRow& row, int64_t* weights);
  // bins[i]: the next bits of x[i]'s key after the prefix; kNoBin where the cut removes it or its
  // key begins otherwise (LogitHistogramArgs).
  void (*find_bins)(const float* x, int64_t n, const LogitHistogramArgs::Search& search,
                    uint32_t* bins);
  // surprises[i]: 2^40 w s of x[i], 0 where the cut removes it.
  void (*surprise)(const float* x, int64_t n, const LogitRow& row, int64_t* surprises);
};

const LogitKernels& LogitKernelsOf(Isa isa);

extern const LogitKernels kLogitKernelsPortable;
extern const LogitKernels kLogitKernelsAvx2;    // x86-64 alone
extern const LogitKernels kLogitKernelsAvx512;  // x86-64 alone

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_LOGIT_KERNELS_H_
