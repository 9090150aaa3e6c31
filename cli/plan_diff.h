// What a changed cluster file would change: settings, who must start again, what they read, and how
// the bounds move.
#ifndef SWITCHYARD_CLI_PLAN_DIFF_H_
#define SWITCHYARD_CLI_PLAN_DIFF_H_

#include <string>

#include "cli/cluster_file.h"
#include "coordinator/core/plan/layout_search.h"

namespace switchyard::cli {

// A file with the layout that it has, or the best where it leaves that open.
struct PlannedCluster {
  ClusterFile file;
  core::LayoutRequest request;
  core::LayoutPlan layout;
};

std::string DiffText(const PlannedCluster& from, const PlannedCluster& to);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PLAN_DIFF_H_
