#include "bench/serving/machine_stalls.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace switchyard::bench {

MachineStalls MeasureStalls() {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kTime(2);
  const unsigned num_cores = std::max(1u, std::thread::hardware_concurrency());
  std::atomic<int> over_half_ms{0}, over_2_ms{0};
  const auto look = [&] {
    const Clock::time_point end = Clock::now() + kTime;
    for (Clock::time_point last = Clock::now(), now; last < end; last = now) {
      now = Clock::now();
      if (now - last > std::chrono::microseconds(500)) ++over_half_ms;
      if (now - last > std::chrono::milliseconds(2)) ++over_2_ms;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < num_cores; ++i) threads.emplace_back(look);
  for (std::thread& thread : threads) thread.join();
  const double core_seconds = double(num_cores) * double(kTime.count());
  return {.over_half_ms = over_half_ms / core_seconds, .over_2_ms = over_2_ms / core_seconds};
}

}  // namespace switchyard::bench
