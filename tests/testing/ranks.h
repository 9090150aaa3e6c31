// N ranks as N threads of the test.
#ifndef SWITCHYARD_TESTS_TESTING_RANKS_H_
#define SWITCHYARD_TESTS_TESTING_RANKS_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/gloo_collectives.h"
#include "worker/parallel/local_collectives.h"

namespace switchyard::testing {

// Runs body(rank) on a thread per rank; returns what each returned when all are done.
std::vector<absl::Status> RunRanks(int num_ranks,
                                   const std::function<absl::Status(int rank)>& body);

using CollectiveBody = std::function<absl::Status(worker::Collectives& world)>;

// Ranks over shared memory. A rank's communicator lives until all bodies have returned.
std::vector<absl::Status> RunLocalRanks(int num_ranks, const CollectiveBody& body,
                                        const worker::LocalCollectivesOptions& options = {});

// Ranks over Gloo on the loopback interface, each with a device and a connection of its own.
// `options`: rank, size and name are filled in.
std::vector<absl::Status> RunGlooRanks(int num_ranks, const CollectiveBody& body,
                                       const worker::CommunicatorOptions& options = {});

// Communicators over Gloo on the loopback interface, element r for rank r.
absl::StatusOr<std::vector<std::unique_ptr<worker::Collectives>>> ConnectGlooRanks(
    worker::RendezvousStore& store, const std::string& name, int size);

// Fails with every status that is not OK.
::testing::AssertionResult AllOk(const std::vector<absl::Status>& statuses);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_RANKS_H_
