#include "tests/testing/ranks.h"

#include <memory>
#include <thread>

namespace switchyard::testing {

using worker::Collectives;

std::vector<absl::Status> RunRanks(int num_ranks,
                                   const std::function<absl::Status(int rank)>& body) {
  std::vector<absl::Status> statuses(num_ranks);
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < num_ranks; ++rank) {
      threads.emplace_back([&, rank] { statuses[rank] = body(rank); });
    }
  }
  return statuses;
}

std::vector<absl::Status> RunLocalRanks(int num_ranks, const CollectiveBody& body,
                                        const worker::LocalCollectivesOptions& options) {
  const auto ranks = worker::MakeLocalCollectives(num_ranks, options);
  return RunRanks(num_ranks, [&](int rank) { return body(*ranks[rank]); });
}

std::vector<absl::Status> RunGlooRanks(int num_ranks, const CollectiveBody& body,
                                       const worker::CommunicatorOptions& options) {
  worker::LocalRendezvous store;
  std::vector<std::unique_ptr<Collectives>> ranks(num_ranks);
  return RunRanks(num_ranks, [&](int rank) -> absl::Status {
    worker::CommunicatorOptions mine = options;
    mine.name = "world";
    mine.rank = rank;
    mine.size = num_ranks;
    SY_ASSIGN_OR_RETURN(auto device, worker::OpenGlooDevice({}));
    SY_ASSIGN_OR_RETURN(ranks[rank], worker::ConnectGloo(device, store, mine));
    return body(*ranks[rank]);
  });
}

absl::StatusOr<std::vector<std::unique_ptr<Collectives>>> ConnectGlooRanks(
    worker::RendezvousStore& store, const std::string& name, int size) {
  std::vector<std::unique_ptr<Collectives>> ranks(size);
  const auto connect = [&](int rank) -> absl::Status {
    SY_ASSIGN_OR_RETURN(auto device, worker::OpenGlooDevice({}));
    SY_ASSIGN_OR_RETURN(
        ranks[rank],
        worker::ConnectGloo(device, store, {.name = name, .rank = rank, .size = size}));
    return absl::OkStatus();
  };
  for (const absl::Status& status : RunRanks(size, connect)) SY_RETURN_IF_ERROR(status);
  return ranks;
}

::testing::AssertionResult AllOk(const std::vector<absl::Status>& statuses) {
  ::testing::AssertionResult result = ::testing::AssertionSuccess();
  for (size_t rank = 0; rank < statuses.size(); ++rank) {
    if (statuses[rank].ok()) continue;
    if (result) result = ::testing::AssertionFailure();
    result << "rank " << rank << ": " << statuses[rank].ToString() << "\n";
  }
  return result;
}

}  // namespace switchyard::testing
