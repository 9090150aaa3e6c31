#include "worker/models/model.h"

namespace switchyard::worker {

absl::Status Model::ForwardMtp(const LayerContext&, const ForwardBatch&, KvStore&,
                               const kernels::TensorView&, const kernels::TensorView&,
                               const kernels::TensorView&) {
  return absl::InternalError("the model has no block that drafts");
}

absl::Status Model::CacheMtp(const LayerContext&, const ForwardBatch&, KvStore&,
                             const kernels::TensorView&) {
  return absl::InternalError("the model has no block that drafts");
}

}  // namespace switchyard::worker
