// What `switchyard plan` shows of layouts: as tables for people, or as JSON.
#ifndef SWITCHYARD_CLI_PLAN_REPORT_H_
#define SWITCHYARD_CLI_PLAN_REPORT_H_

#include <span>
#include <string>

#include "base/json.h"
#include "coordinator/core/plan/layout_search.h"

namespace switchyard::cli {

std::string LayoutName(const core::LayoutPlan& layout);  // "1x8"
// "1x8 on 1 host with 8 x h200".
std::string PlaceName(const core::LayoutRequest& request, const core::LayoutPlan& layout);

// The model and the cluster, with where each figure comes from.
std::string HeadText(const core::LayoutRequest& request);
// A row for each layout.
std::string LayoutsText(std::span<const core::LayoutPlan> layouts);
// Bytes of the fullest rank by kind, what they leave, and, where it fits, both steps op by op.
std::string LayoutText(const core::LayoutRequest& request, const core::LayoutPlan& layout);

// The same of all layouts given.
Json LayoutsJson(const core::LayoutRequest& request, std::span<const core::LayoutPlan> layouts);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PLAN_REPORT_H_
