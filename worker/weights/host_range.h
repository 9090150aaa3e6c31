// A range of a tensor that came from the disk, perhaps with more around it.
#ifndef SWITCHYARD_WORKER_WEIGHTS_HOST_RANGE_H_
#define SWITCHYARD_WORKER_WEIGHTS_HOST_RANGE_H_

#include <cstddef>
#include <functional>
#include <vector>

#include "worker/weights/tensor_range.h"

namespace switchyard::worker {

// A range that was asked for, and the one that is read: the same, or wider.
struct HostRange {
  TensorRange wanted;
  TensorRange read;
  size_t index = 0;  // among the ranges of its task
};

// Where the range of an index came to.
using RangeData = std::function<const std::byte*(size_t index)>;

// The wanted rows and columns one behind the other, at an address fit for their type: where they
// came to, or in `moved`.
const std::byte* Contiguous(const HostRange& range, const std::byte* data,
                            std::vector<std::byte>& moved);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_HOST_RANGE_H_
