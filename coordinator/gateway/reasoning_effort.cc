#include "coordinator/gateway/reasoning_effort.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {
namespace {

constexpr const char* kEffort = "reasoning_effort";
constexpr const char* kSwitch = "enable_thinking";
constexpr const char* kNone = "none";
constexpr const char* kWords[] = {kNone, "minimal", "low", "medium", "high", "xhigh", "max"};

bool TemplateNames(const ServedModel& model, const char* word) {
  return model.chat_template != nullptr &&
         model.chat_template->source.find(word) != std::string::npos;
}

}  // namespace

absl::Status AddReasoningEffort(const Json& effort, Json* kwargs) {
  const bool is_known = std::any_of(std::begin(kWords), std::end(kWords),
                                    [&](const char* word) { return effort == word; });
  if (!is_known) {
    return ParamError(kEffort,
                      "'reasoning_effort' must be none, minimal, low, medium, high, xhigh or max");
  }
  const bool thinks = !IsNoEffort(effort);
  if (thinks && !kwargs->contains(kEffort)) (*kwargs)[kEffort] = effort;
  if (!kwargs->contains(kSwitch)) (*kwargs)[kSwitch] = thinks;
  return absl::OkStatus();
}

bool IsNoEffort(const Json& effort) { return effort == kNone; }

bool KnowsReasoningEffort(const ServedModel& model) {
  return TemplateNames(model, kEffort) || TemplateNames(model, kSwitch);
}

bool CanLeaveOutThoughts(const ServedModel& model) {
  return TemplateNames(model, kSwitch) || !(model.reasoning || model.harmony);
}

}  // namespace switchyard::gateway
