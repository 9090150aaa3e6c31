#include "coordinator/text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace switchyard::text {
namespace {

// The longest prefix of `stop` that the text ends with after `byte`, where it was `num_matched`
// before it.
size_t Advance(std::string_view stop, const std::vector<size_t>& border, size_t num_matched,
               char byte) {
  while (num_matched > 0 && stop[num_matched] != byte) num_matched = border[num_matched];
  return stop[num_matched] == byte ? num_matched + 1 : 0;
}

std::vector<size_t> Borders(std::string_view stop) {
  std::vector<size_t> border(stop.size() + 1, 0);
  for (size_t i = 1; i < stop.size(); ++i)
    border[i + 1] = Advance(stop, border, border[i], stop[i]);
  return border;
}

}  // namespace

absl::StatusOr<StopMatcher> StopMatcher::Create(std::vector<std::string> stops) {
  if (stops.size() > kMaxStops) {
    return absl::InvalidArgumentError(
        fmt::format("{} stop strings; at most {} are allowed", stops.size(), kMaxStops));
  }
  std::vector<Stop> prepared;
  for (size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty() || stops[i].size() > kMaxStopBytes) {
      return absl::InvalidArgumentError(fmt::format("stop string {} has {} bytes; it needs 1 to {}",
                                                    i, stops[i].size(), kMaxStopBytes));
    }
    std::vector<size_t> border = Borders(stops[i]);
    prepared.push_back({.text = std::move(stops[i]), .border = std::move(border)});
  }
  return StopMatcher(std::move(prepared));
}

std::string StopMatcher::Push(std::string_view delta, bool may_stop) {
  if (stopped_by_.has_value()) return {};
  std::string text = std::exchange(held_, {});
  size_t num_held = text.size();
  for (const char byte : delta) {
    text += byte;
    num_held = 0;
    const Stop* complete = nullptr;
    for (Stop& stop : stops_) {
      stop.num_matched = Advance(stop.text, stop.border, stop.num_matched, byte);
      const bool is_whole = stop.num_matched == stop.text.size();
      if (is_whole && !may_stop) stop.num_matched = stop.border[stop.num_matched];
      num_held = std::max(num_held, stop.num_matched);
      const bool is_complete = is_whole && may_stop;
      if (is_complete && (complete == nullptr || stop.text.size() > complete->text.size()))
        complete = &stop;
    }
    if (complete != nullptr) {
      stopped_by_ = complete->text;
      text.resize(text.size() - complete->text.size());
      return text;
    }
  }
  held_ = text.substr(text.size() - num_held);
  text.resize(text.size() - num_held);
  return text;
}

std::string StopMatcher::Flush() { return std::exchange(held_, {}); }

}  // namespace switchyard::text
