// Counts a launch's events into Counters.
//
// Owner: the launch. Thread: any; each OS thread counts by itself, the sum is made at the end.
#ifndef SWITCHYARD_EMULATOR_PTX_COUNTERS_OBSERVER_H_
#define SWITCHYARD_EMULATOR_PTX_COUNTERS_OBSERVER_H_

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "emulator/ptx/counters.h"
#include "emulator/ptx/observer.h"

namespace emu {

class CountersObserver : public Observer {
 public:
  // REQUIRES: `counters` outlives the observer. It gets the figures when the observer dies.
  CountersObserver(const Kernel& kernel, const LaunchConfig& config, Counters* counters);
  ~CountersObserver() override;

  void OnBlockStart(Block& block) override;
  void OnAccess(const WarpAccess& access) override;
  void OnTensorWork(uint64_t macs, bool warpgroup) override;
  void OnBulkBytes(uint64_t bytes, bool load) override;
  void OnOpCounts(const Kernel& kernel, std::span<const OpCount> counts) override;

 private:
  KernelCounters& Mine();

  const std::string kernel_;
  const KernelCounters::Shape shape_;
  const uint64_t num_blocks_;
  const uint64_t serial_;  // of this observer, so that a thread knows its part again
  Counters* counters_;
  std::mutex mutex_;
  std::map<std::thread::id, std::unique_ptr<KernelCounters>> parts_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_COUNTERS_OBSERVER_H_
