// Collectives between GPUs by NCCL: grouped sends and receives in the stream of the rank's ops.
//
// A call returns when its work is enqueued; its outputs are there for what the stream does next.
// Between Fork and Mark the calls have a stream of their own, which Fork and Await tie to the ops'
// by events: in a step that is recorded, too, where it becomes a branch of the graph.
//
// A lost peer stops the stream: whoever learns of it (the coordinator tells) calls Abort, which
// ends NCCL's kernels, and the next call or the next wait for the stream reports it.
#ifndef SWITCHYARD_WORKER_CUDA_NCCL_COLLECTIVES_H_
#define SWITCHYARD_WORKER_CUDA_NCCL_COLLECTIVES_H_

#include <cuda_runtime_api.h>

#include <memory>

#include "kernels/ops.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/rendezvous.h"

namespace switchyard::worker::cuda {

// Rank 0 makes NCCL's id and puts it into the table under the communicator's name. `ops`, whose
// stream `stream` is, outlives the result. DEADLINE_EXCEEDED when a rank does not come in time,
// UNAVAILABLE for what NCCL says. A communicator of one rank needs neither table nor NCCL.
absl::StatusOr<std::unique_ptr<Collectives>> ConnectNccl(kernels::Ops& ops, cudaStream_t stream,
                                                         RendezvousStore& store,
                                                         const CommunicatorOptions& options);

}  // namespace switchyard::worker::cuda

#endif  // SWITCHYARD_WORKER_CUDA_NCCL_COLLECTIVES_H_
