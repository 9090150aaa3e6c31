// The cluster's state as text for a person.
#ifndef SWITCHYARD_CLI_STATUS_TABLE_H_
#define SWITCHYARD_CLI_STATUS_TABLE_H_

#include <string>
#include <vector>

#include "proto/admin.pb.h"

namespace switchyard::cli {

// A line about the cluster, a header, and a line for each rank: rank, host, state, memory, step,
// tokens/s of the cluster above.
std::string StatusTable(const v1::StatusResponse& status);

// One line for each rank that loads: "rank 2  loading weights  [####......]  12.0 MiB of 30.0 MiB".
std::vector<std::string> LoadingLines(const v1::StatusResponse& status);

// "gathering", "loading", "serving", ...
const char* StateName(v1::ClusterState state);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_STATUS_TABLE_H_
