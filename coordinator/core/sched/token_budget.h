// How many tokens one attention group may still compute in the step being built.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_TOKEN_BUDGET_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_TOKEN_BUDGET_H_

#include <algorithm>
#include <cstdint>

namespace switchyard::core {

class TokenBudget {
 public:
  explicit TokenBudget(int32_t num_tokens) : left_(num_tokens) {}

  int32_t left() const { return left_; }

  // Takes what there is of `wanted`; returns how much that was.
  int32_t Take(int32_t wanted) {
    const int32_t taken = std::min(wanted, left_);
    left_ -= taken;
    return taken;
  }

 private:
  int32_t left_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_TOKEN_BUDGET_H_
