// What a cluster file means for `switchyard serve`.
#ifndef SWITCHYARD_CLI_SERVE_CLUSTER_H_
#define SWITCHYARD_CLI_SERVE_CLUSTER_H_

#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/cluster_file.h"
#include "cli/serve_command.h"

namespace switchyard::cli {

// Sets what the file says, except where `is_given(FLAG)`: a flag stands before it. Of a file with
// several hosts, `this_host` (a name of the file) gets its ranks, in the order of the hosts; the
// first runs the coordinator, which the others join, or [server] coordinator runs it alone. It may
// be empty where there is one host.
// INVALID_ARGUMENT: a file that this command cannot serve: without a layout where none is given;
// `this_host` is none of the file's, or has no ranks.
absl::Status ApplyClusterFile(const ClusterFile& file, const std::string& this_host,
                              const std::function<bool(std::string_view flag)>& is_given,
                              ServeOptions* options);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_SERVE_CLUSTER_H_
