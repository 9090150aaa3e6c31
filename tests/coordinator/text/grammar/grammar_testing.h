// Grammars in tests: compiled, sent, checked and run.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_GRAMMAR_TESTING_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_GRAMMAR_TESTING_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "coordinator/text/grammar/compile.h"
#include "worker/sample/grammar_matcher.h"

namespace switchyard::text::grammar {

// A token for each byte, these, and one special token, the last.
inline std::shared_ptr<const worker::TokenTrie> MakeTrie(
    const std::vector<std::string>& more = {}) {
  v1::TokenTable table;
  for (int byte = 0; byte < 256; ++byte) table.mutable_bytes()->push_back(static_cast<char>(byte));
  for (int byte = 0; byte < 256; ++byte) table.add_lengths(1);
  for (const std::string& token : more) {
    table.mutable_bytes()->append(token);
    table.add_lengths(token.size());
  }
  table.add_lengths(0);
  return worker::TokenTrie::Create(table).value();
}

// Over the wire and back.
inline worker::GrammarMatcher MakeMatcher(const absl::StatusOr<v1::Grammar>& grammar,
                                          std::shared_ptr<const worker::TokenTrie> trie) {
  SY_CHECK(grammar.ok()) << grammar.status();
  v1::Grammar received;
  SY_CHECK(received.ParseFromString(grammar->SerializeAsString()));
  auto automaton = worker::GrammarAutomaton::Create(received);
  SY_CHECK(automaton.ok()) << automaton.status();
  return worker::GrammarMatcher(
      std::make_shared<worker::GrammarMasks>(*std::move(automaton), std::move(trie)));
}

// Whether the whole text is accepted, byte by byte.
inline bool Accepts(const absl::StatusOr<v1::Grammar>& grammar, std::string_view text) {
  worker::GrammarMatcher matcher = MakeMatcher(grammar, MakeTrie());
  for (const char byte : text) {
    if (!matcher.Advance(std::string_view(&byte, 1))) return false;
  }
  return matcher.IsAccepting();
}

inline absl::StatusOr<v1::Grammar> Schema(std::string_view schema) {
  return CompileJsonSchema(ParseJson(schema).value());
}

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_GRAMMAR_TESTING_H_
