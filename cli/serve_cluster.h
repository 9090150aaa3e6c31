// What a cluster file means for `switchyard serve`.
#ifndef SWITCHYARD_CLI_SERVE_CLUSTER_H_
#define SWITCHYARD_CLI_SERVE_CLUSTER_H_

#include <functional>
#include <string_view>

#include "base/status.h"
#include "cli/cluster_file.h"
#include "cli/serve_command.h"

namespace switchyard::cli {

// Sets what the file says, except where `is_given(FLAG)`: a flag stands before it.
// INVALID_ARGUMENT: a file that this command cannot serve: of several hosts, or without a layout
// where none is given.
absl::Status ApplyClusterFile(const ClusterFile& file,
                              const std::function<bool(std::string_view flag)>& is_given,
                              ServeOptions* options);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_SERVE_CLUSTER_H_
