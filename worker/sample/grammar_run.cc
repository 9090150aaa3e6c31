#include "worker/sample/grammar_run.h"

#include <algorithm>

namespace switchyard::worker {

constexpr uint32_t kNoLimit = GrammarAutomaton::kNoLimit;

bool GrammarRun::Ends(const GrammarPosition& position) const {
  const GrammarAutomaton::Loop* loop = automaton_.loop(position.state);
  if (loop == nullptr) return automaton_.ends(position.state);
  return IsFree(position) || position.count >= loop->min;
}

// Whether more may come before it ends.
bool GrammarRun::GoesOn(const GrammarPosition& position) const {
  if (automaton_.is_final(position.state)) return false;
  const GrammarAutomaton::Loop* loop = automaton_.loop(position.state);
  return loop == nullptr || loop->max == kNoLimit || position.count < loop->max || IsFree(position);
}

bool GrammarRun::Add(const GrammarPosition& position, GrammarPositions* to) {
  work_ += 1 + to->all.size() / 8;
  if (std::find(to->all.begin(), to->all.end(), position) != to->all.end()) return false;
  if (to->all.size() >= kMaxPositions) {
    was_cut_ = true;
    return false;
  }
  to->all.push_back(position);
  return true;
}

GrammarPosition GrammarRun::Return(uint32_t stack) const {
  const GrammarNode& node = stacks_[stack];
  return {.state = node.state, .count = node.count, .stack = node.below};
}

void GrammarRun::Enter(const GrammarPosition& position, GrammarPositions* to) {
  GrammarPosition at = position;
  while ((!GoesOn(at) || Add(at, to)) && Ends(at)) {
    if (at.stack == bottom_) {
      if (std::find(to->ended.begin(), to->ended.end(), at.count) == to->ended.end()) {
        to->ended.push_back(at.count);
      }
      return;
    }
    at = Return(at.stack);
  }
}

void GrammarRun::CallLoop(const GrammarAutomaton::Loop& loop, const GrammarPosition& from,
                          GrammarPositions* to) {
  uint32_t count = from.count + 1;
  if (!IsFree(from)) {
    if (loop.max == kNoLimit) {
      count = std::min(count, loop.min);  // more rounds make no difference
    } else if (count > loop.max) {
      return;
    }
  }
  if (automaton_.is_plain(loop.body)) {
    const uint32_t next = automaton_.Next(loop.body, byte_);
    // A round of one byte is over as soon as it begins.
    if (next != GrammarAutomaton::kNoState && automaton_.is_final(next)) {
      return Enter({.state = from.state, .count = count, .stack = from.stack}, to);
    }
  }
  // Behind the last round nothing is left to return to but what the loop returns to: so there is no
  // chain of loops that only end.
  const bool is_last = count == loop.max && !IsFree(from);
  const uint32_t stack =
      is_last ? from.stack
              : stacks_.Push({.state = from.state, .count = count, .below = from.stack});
  StepOne({.state = loop.body, .stack = stack}, to);
}

void GrammarRun::StepOne(const GrammarPosition& from, GrammarPositions* to) {
  ++work_;
  if (++num_visits_ > kMaxVisits) {
    was_cut_ = true;
    return;
  }
  const uint32_t next = automaton_.Next(from.state, byte_);
  if (next != GrammarAutomaton::kNoState) Enter({.state = next, .stack = from.stack}, to);
  if (automaton_.is_plain(from.state)) return;
  if (const auto* loop = automaton_.loop(from.state); loop != nullptr) {
    if (automaton_.first_bytes(loop->body).test(byte_)) CallLoop(*loop, from, to);
    return;
  }
  for (const GrammarAutomaton::Call& call : automaton_.calls(from.state)) {
    if (automaton_.first_bytes(call.target).test(byte_)) {
      const uint32_t stack =
          call.is_tail ? from.stack : stacks_.Push({.state = call.returns, .below = from.stack});
      StepOne({.state = call.target, .stack = stack}, to);
    }
    if (automaton_.ends(call.target) && automaton_.first_bytes(call.returns).test(byte_)) {
      StepOne({.state = call.returns, .stack = from.stack}, to);
    }
  }
}

void GrammarRun::Step(const GrammarPositions& from, uint8_t byte, GrammarPositions* to) {
  to->clear();
  byte_ = byte;
  num_visits_ = 0;
  for (const GrammarPosition& position : from.all) {
    if (automaton_.first_bytes(position.state).test(byte)) StepOne(position, to);
  }
}

}  // namespace switchyard::worker
