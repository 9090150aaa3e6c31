#include "worker/models/model.h"

namespace switchyard::worker {

absl::Status Model::ForwardMtp(const LayerContext&, const ForwardBatch&, KvStore&,
                               const kernels::TensorView&, const kernels::TensorView&,
                               const kernels::TensorView&, std::span<uint32_t>) {
  return absl::InternalError("the model has no block that drafts");
}

}  // namespace switchyard::worker
