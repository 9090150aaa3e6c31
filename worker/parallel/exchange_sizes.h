// What sizes an exchange of rows for experts can have.
#ifndef SWITCHYARD_WORKER_PARALLEL_EXCHANGE_SIZES_H_
#define SWITCHYARD_WORKER_PARALLEL_EXCHANGE_SIZES_H_

#include <cstdint>

#include "base/status.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

struct ExchangeSizes {
  int64_t hidden_size = 0;
  int64_t experts_per_token = 0;
  int64_t max_slice_tokens = 0;
};

// INVALID_ARGUMENT for sizes that are not positive, lead to 2^31 rows, or more experts per token
// than there are.
absl::Status CheckSizes(const ParallelContext& context, const ExchangeSizes& sizes);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_EXCHANGE_SIZES_H_
