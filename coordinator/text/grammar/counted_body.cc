#include "coordinator/text/grammar/counted_body.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace switchyard::text::grammar {
namespace {

// The rules of the characters that are counted.
class Characters {
 public:
  Characters(Encoding encoding, RuleBook& book) : encoding_(encoding), book_(book) {}

  uint32_t RuleOf(const CodePoints& set) {
    std::vector<std::pair<uint32_t, uint32_t>> key;
    for (const CodePoints::Range& range : set.ranges()) key.emplace_back(range.first, range.last);
    book_.budget().Spend(key.size());
    const auto [at, is_new] = rules_.try_emplace(std::move(key), 0);
    if (is_new) at->second = MakeRule(set);
    return at->second;
  }

  ByteSet FirstBytes(uint32_t rule) const { return first_bytes_.at(rule); }

 private:
  uint32_t MakeRule(const CodePoints& set) {
    const uint32_t rule = book_.AddRule("a character");
    ByteSet& first_bytes = first_bytes_[rule];
    Nfa nfa(book_.budget());
    nfa.Accept(AddCodePoints(set, encoding_, 0, nfa));
    absl::StatusOr<Dfa> body = Determinize(nfa, book_.budget());
    if (!body.ok()) return rule;  // the budget is spent: nothing will come of it
    for (const Nfa::Edge& edge : body->states[0].edges) first_bytes |= edge.bytes;
    book_.SetBody(rule, *std::move(body)).IgnoreError();
    return rule;
  }

  Encoding encoding_;
  RuleBook& book_;
  std::map<std::vector<std::pair<uint32_t, uint32_t>>, uint32_t> rules_;
  std::map<uint32_t, ByteSet> first_bytes_;
};

// Whether no byte that a character may begin with goes another way before a call that counts or
// behind it.
bool IsClear(const Dfa& dfa, const Characters& characters) {
  const auto edges_of = [&](uint32_t state) {
    ByteSet bytes;
    for (const Nfa::Edge& edge : dfa.states[state].edges) bytes |= edge.bytes;
    return bytes;
  };
  for (uint32_t s = 0; s < dfa.states.size(); ++s) {
    for (const auto& [call, target] : dfa.states[s].calls) {
      if (call.min == 1 && call.max == 1) continue;
      const bool is_alone = dfa.states[s].calls.size() == 1 && dfa.states[target].calls.empty();
      const ByteSet others = edges_of(s) | edges_of(target);
      if (!is_alone || (others & characters.FirstBytes(call.rule)).any()) return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<Dfa> CountedBody(const Expr& expr, Encoding encoding, RuleBook& book) {
  Characters characters(encoding, book);
  Nfa counted(book.budget());
  counted.Accept(AddExpr(expr, encoding, 0, counted,
                         [&](const CodePoints& set) { return characters.RuleOf(set); }));
  SY_ASSIGN_OR_RETURN(Dfa dfa, Determinize(counted, book.budget()));
  if (IsClear(dfa, characters)) return dfa;
  Nfa written_out(book.budget());
  written_out.Accept(AddExpr(expr, encoding, 0, written_out));
  return Determinize(written_out, book.budget());
}

}  // namespace switchyard::text::grammar
