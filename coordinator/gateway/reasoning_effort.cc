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

}  // namespace

absl::Status AddReasoningEffort(const Json& effort, Json* kwargs) {
  const bool is_known = std::any_of(std::begin(kWords), std::end(kWords),
                                    [&](const char* word) { return effort == word; });
  if (!is_known) {
    return ParamError(kEffort,
                      "'reasoning_effort' must be none, minimal, low, medium, high, xhigh or max");
  }
  const bool thinks = effort != kNone;
  if (thinks && !kwargs->contains(kEffort)) (*kwargs)[kEffort] = effort;
  if (!kwargs->contains(kSwitch)) (*kwargs)[kSwitch] = thinks;
  return absl::OkStatus();
}

bool KnowsReasoningEffort(const ServedModel& model) {
  if (model.chat_template == nullptr) return false;
  const std::string& source = model.chat_template->source;
  return source.find(kEffort) != source.npos || source.find(kSwitch) != source.npos;
}

}  // namespace switchyard::gateway
