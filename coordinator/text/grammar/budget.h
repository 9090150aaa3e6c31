// What compiling one grammar may cost. Counted, not timed: the same grammar is refused everywhere
// or nowhere.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_BUDGET_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_BUDGET_H_

#include <cstdint>

#include "base/status.h"

namespace switchyard::text::grammar {

struct GrammarLimits {
  // Of the text that describes the grammar.
  size_t source_bytes_max = size_t{1} << 20;
  // Of the automaton.
  uint32_t states_max = 30'000;
  // Steps of about 10 to 100 ns, each with less than 100 bytes of memory.
  uint64_t work_max = 5'000'000;
};

// Shared by all parts of one compilation.
class Budget {
 public:
  explicit Budget(const GrammarLimits& limits) : limits_(limits), work_left_(limits.work_max) {}

  // Takes `work` steps. False when there were not so many left; then none is left.
  bool Spend(uint64_t work) {
    is_spent_ = is_spent_ || work > work_left_;
    work_left_ = is_spent_ ? 0 : work_left_ - work;
    return !is_spent_;
  }
  bool is_spent() const { return is_spent_; }
  const GrammarLimits& limits() const { return limits_; }

  absl::Status Check() const {
    if (!is_spent_) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "the grammar is too large: it repeats or combines more than can be compiled");
  }

 private:
  GrammarLimits limits_;
  uint64_t work_left_;
  bool is_spent_ = false;
};

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_BUDGET_H_
