// The worker processes of one host, as `switchyard serve` starts them.
#ifndef SWITCHYARD_CLI_LOCAL_WORKERS_H_
#define SWITCHYARD_CLI_LOCAL_WORKERS_H_

#include <atomic>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/child_process.h"
#include "cli/serve_command.h"

namespace switchyard::cli {

// Ranks of the cluster whose workers this host starts.
int NumLocalRanks(const ServeOptions& options);

// The log of the process `name`; empty: it writes to this terminal.
std::string LogPath(const ServeOptions& options, const std::string& name);

// One worker for each of this host's ranks, in their order, which dial the coordinator at `grpc`.
// NOT_FOUND: the program is not there.
absl::StatusOr<std::vector<ChildProcess>> StartLocalWorkers(const ServeOptions& options,
                                                            const std::string& grpc);

// The error of a process that ended when it should not have: `what`, and why by its own words,
// which it gave us or wrote into the log `log_name`. REQUIRES: it has ended.
absl::Status ProcessFault(const ServeOptions& options, ChildProcess& process, std::string what,
                          const std::string& log_name);

// A host of a cluster whose coordinator runs on another (options.coordinator): starts its workers
// and waits until the coordinator sends them home (OK) or `num_signals` is over 0, which ends them
// (OK). The error of the first worker that ends otherwise; the others are then ended, too.
absl::Status RunLocalWorkers(const ServeOptions& options, const std::atomic<int>& num_signals);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_LOCAL_WORKERS_H_
