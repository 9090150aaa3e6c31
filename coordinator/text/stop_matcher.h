// Ends an answer where one of its stop strings appears, and never lets a part of a stop string out.
#ifndef SWITCHYARD_COORDINATOR_TEXT_STOP_MATCHER_H_
#define SWITCHYARD_COORDINATOR_TEXT_STOP_MATCHER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::text {

// Owned by one request, used by one thread at a time. The stop string that is complete first wins;
// of those that are complete at the same byte, the longest. What comes out does not depend on how
// the text was cut into deltas.
class StopMatcher {
 public:
  static constexpr size_t kMaxStops = 16;
  static constexpr size_t kMaxStopBytes = 1024;  // of one stop string

  // No stop strings: all text passes. INVALID_ARGUMENT for too many, or one that is empty or too
  // long, naming which.
  static absl::StatusOr<StopMatcher> Create(std::vector<std::string> stops);

  // The text that is now sure to stand before any stop string: part of what came earlier and of
  // `delta`. Nothing once stopped. Where it is too early to stop (`may_stop` false) a stop string
  // that becomes whole is text; one that only begins counts when it is whole later.
  std::string Push(std::string_view delta, bool may_stop = true);

  // What was held back, when the answer ends without a stop string.
  std::string Flush();

  // The stop string that ended the answer.
  const std::optional<std::string>& stopped_by() const { return stopped_by_; }

 private:
  struct Stop {
    std::string text;
    // border[n]: the length of the longest proper prefix of the first n bytes that is also their
    // suffix (Knuth-Morris-Pratt).
    std::vector<size_t> border;
    size_t num_matched = 0;  // the longest prefix that the text so far ends with
  };

  explicit StopMatcher(std::vector<Stop> stops) : stops_(std::move(stops)) {}

  std::vector<Stop> stops_;
  std::string held_;  // the end of the text so far that may begin a stop string
  std::optional<std::string> stopped_by_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_STOP_MATCHER_H_
