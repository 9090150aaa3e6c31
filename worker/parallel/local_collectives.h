// Collectives whose ranks are threads of one process: peers copy straight from each other's memory
// between two barriers, which spin briefly and then sleep. For tests and for tools that run a whole
// cluster in one process.
//
// Sees every rank's sizes, so a disagreement is INTERNAL on all ranks, with a message that names
// both. Abort on any rank ends the communicator for all. Never returns while a peer still reads the
// caller's memory.
#ifndef SWITCHYARD_WORKER_PARALLEL_LOCAL_COLLECTIVES_H_
#define SWITCHYARD_WORKER_PARALLEL_LOCAL_COLLECTIVES_H_

#include <chrono>
#include <memory>
#include <vector>

#include "worker/parallel/collectives.h"

namespace switchyard::worker {

struct LocalCollectivesOptions {
  // How long a rank waits for the others to arrive.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

// One communicator: element r belongs to rank r and may be used and destroyed on a thread of its
// own. A rank that destroys its element aborts the communicator.
std::vector<std::unique_ptr<Collectives>> MakeLocalCollectives(
    int size, const LocalCollectivesOptions& options = {});

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_LOCAL_COLLECTIVES_H_
