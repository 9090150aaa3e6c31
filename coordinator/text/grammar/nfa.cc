#include "coordinator/text/grammar/nfa.h"

namespace switchyard::text::grammar {

uint32_t Nfa::AddState() {
  if (!budget_->Spend(4)) return 0;
  states_.emplace_back();
  return static_cast<uint32_t>(states_.size() - 1);
}

void Nfa::AddBytes(uint32_t from, const ByteSet& bytes, uint32_t to) {
  if (bytes.none() || !budget_->Spend(1)) return;
  states_[from].edges.push_back({bytes, to});
}

uint32_t Nfa::AddBytes(uint32_t from, const ByteSet& bytes) {
  const uint32_t to = AddState();
  AddBytes(from, bytes, to);
  return to;
}

uint32_t Nfa::AddText(uint32_t from, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    from = AddBytes(from, ByteRange(byte, byte));
  }
  return from;
}

uint32_t Nfa::AddCall(uint32_t from, const Call& call) {
  const uint32_t to = AddState();
  if (budget_->Spend(1)) states_[from].calls.push_back({call, to});
  return to;
}

void Nfa::AddJump(uint32_t from, uint32_t to) {
  if (from != to && budget_->Spend(1)) states_[from].jumps.push_back(to);
}

}  // namespace switchyard::text::grammar
