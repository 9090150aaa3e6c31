// The tensors of a GGUF file by the names that published checkpoints give them: the rest of the
// worker asks for those, whatever the file.
#ifndef SWITCHYARD_WORKER_WEIGHTS_GGUF_TENSORS_H_
#define SWITCHYARD_WORKER_WEIGHTS_GGUF_TENSORS_H_

#include <vector>

#include "base/gguf.h"
#include "base/status.h"
#include "worker/weights/safetensors.h"

namespace switchyard::worker {

// Experts, which such a file has in one tensor by projection, become one tensor each. What is
// quantised, rows that lie in another order than published ones, and halves of MLA's up-projection
// (gguf_halves.h), which have names of their own, have a GgufLayout; `file` is
// that of the header. INVALID_ARGUMENT: a shape that cannot be. UNIMPLEMENTED: a tensor that no
// architecture of ours has, or a type that is not read, with its name: what is not understood is
// not left out.
absl::StatusOr<std::vector<TensorInfo>> GgufTensors(const GgufHeader& header);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_GGUF_TENSORS_H_
