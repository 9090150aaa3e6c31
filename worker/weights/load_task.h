// What one request for weights reads, and what becomes of it.
#ifndef SWITCHYARD_WORKER_WEIGHTS_LOAD_TASK_H_
#define SWITCHYARD_WORKER_WEIGHTS_LOAD_TASK_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "worker/weights/host_matrix.h"
#include "worker/weights/read_plan.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

struct WeightLoader::Task {
  std::vector<HostMatrix> matrices;
  std::vector<WantedRange> ranges;  // of all matrices, the first one's weight first
  std::function<void(const std::vector<HostMatrix>&)> consume;
  // Of ranges that are no matrices, instead of that.
  std::function<absl::Status(const RangeData&)> consume_stored;

  int64_t MaxStagingBytes() const {
    int64_t sum = 0;
    for (const WantedRange& wanted : ranges) sum += worker::MaxStagingBytes(wanted.range);
    return sum;
  }
};

// One of the things that Run fills.
struct WeightLoader::Output {
  std::string form;  // what decides its bytes, beside checkpoint and backend
  std::function<absl::Status(kernels::Buffer memory)> restore;
  const kernels::Buffer* memory = nullptr;  // once it is filled
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_LOAD_TASK_H_
