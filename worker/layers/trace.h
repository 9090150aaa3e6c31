// A look inside a forward pass, for tests and for people who hunt a difference: named tensors as
// they come. Null in serving.
#ifndef SWITCHYARD_WORKER_LAYERS_TRACE_H_
#define SWITCHYARD_WORKER_LAYERS_TRACE_H_

#include <string_view>

#include "kernels/tensor_view.h"

namespace switchyard::worker {

class Trace {
 public:
  virtual ~Trace() = default;
  // `layer` is -1 for what belongs to no layer. The tensor is valid during the call. Rows are the
  // batch's rows, or the rank's own slice of them where the layer computes only that (router_ids,
  // router_weights).
  virtual void Record(std::string_view name, int layer, const kernels::TensorView& tensor) = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_TRACE_H_
