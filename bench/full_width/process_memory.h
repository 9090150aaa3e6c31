// What the kernel says that this process holds.
#ifndef SWITCHYARD_BENCH_FULL_WIDTH_PROCESS_MEMORY_H_
#define SWITCHYARD_BENCH_FULL_WIDTH_PROCESS_MEMORY_H_

#include <cstdint>

namespace switchyard::bench {

// The most resident bytes since the process began, or since ForgetPeak.
int64_t PeakResidentBytes();
int64_t ResidentBytes();
void ForgetPeak();

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_FULL_WIDTH_PROCESS_MEMORY_H_
