#include "worker/exec/grammar_store.h"

#include <algorithm>
#include <utility>

namespace switchyard::worker {

absl::StatusOr<GrammarStore> GrammarStore::Create(const v1::TokenTable& tokens) {
  GrammarStore store;
  if (tokens.lengths().empty()) return store;
  SY_ASSIGN_OR_RETURN(store.trie_, TokenTrie::Create(tokens));
  return store;
}

absl::StatusOr<GrammarMatcher> GrammarStore::Begin(const v1::Grammar& grammar) {
  if (trie_ == nullptr) {
    return absl::InternalError("a grammar came, and no table of the vocabulary's tokens");
  }
  std::string bytes = grammar.SerializeAsString();
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.bytes == bytes; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return GrammarMatcher(entries_.front().masks);
  }
  auto automaton = GrammarAutomaton::Create(grammar);
  if (!automaton.ok()) return absl::InternalError(automaton.status().message());
  entries_.push_front({.bytes = std::move(bytes),
                       .masks = std::make_shared<GrammarMasks>(*std::move(automaton), trie_)});
  if (entries_.size() > kMaxKept) entries_.pop_back();
  preparer_->Add(entries_.front().masks);
  return GrammarMatcher(entries_.front().masks);
}

}  // namespace switchyard::worker
