// Cuts text into the pieces that BPE works on: a chain of splits, each cutting the pieces of the
// one before it further. The pieces go to their reader one by one, left to right; no list of them
// is kept.
#ifndef SWITCHYARD_COORDINATOR_TEXT_PRETOKENIZER_H_
#define SWITCHYARD_COORDINATOR_TEXT_PRETOKENIZER_H_

#include <absl/functional/function_ref.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "coordinator/text/regex.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

// Immutable; threads may share it.
class Pretokenizer {
 public:
  static absl::StatusOr<Pretokenizer> Create(const std::vector<SplitSpec>& specs);

  // Calls `read` with each piece of `text`; none is empty. A piece is valid only during its call.
  // `is_start`: what is encoded begins with `text`. RESOURCE_EXHAUSTED, which ends the walk, if a
  // regex gives up or a piece would grow over kMaxEncodeBytes. REQUIRES: valid UTF-8.
  absl::Status ForEachPiece(std::string_view text, bool is_start, RegexScratch& scratch,
                            absl::FunctionRef<void(std::string_view)> read) const;

 private:
  struct Split {
    std::optional<Regex> pattern;
    SplitBehavior behavior;
    bool invert;
    PrefixSpace prefix_space;
    std::string space;
  };
  class Walk;

  std::vector<Split> splits_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_PRETOKENIZER_H_
