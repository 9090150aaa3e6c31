// The grammars of a worker's sequences over its vocabulary. Sequences with the same grammar share
// what is found out about it, and much of that is found before a step wants it.
#ifndef SWITCHYARD_WORKER_EXEC_GRAMMAR_STORE_H_
#define SWITCHYARD_WORKER_EXEC_GRAMMAR_STORE_H_

#include <list>
#include <memory>
#include <string>

#include "base/status.h"
#include "proto/grammar.pb.h"
#include "worker/sample/grammar_matcher.h"
#include "worker/sample/mask_preparer.h"

namespace switchyard::worker {

// Thread: the step's; it has one beside it that finds masks ahead.
class GrammarStore {
 public:
  static constexpr size_t kMaxKept = 8;  // beside those in use

  // An empty table: no sequence can have a grammar. INVALID_ARGUMENT for a broken one.
  static absl::StatusOr<GrammarStore> Create(const v1::TokenTable& tokens);

  // At the beginning of a text. From the first time on, masks are found ahead. INTERNAL for a
  // broken grammar: coordinators compile them.
  absl::StatusOr<GrammarMatcher> Begin(const v1::Grammar& grammar);

 private:
  struct Entry {
    std::string bytes;  // of the message
    std::shared_ptr<GrammarMasks> masks;
  };

  std::shared_ptr<const TokenTrie> trie_;  // null: none
  std::list<Entry> entries_;               // the one used last stands first
  std::unique_ptr<MaskPreparer> preparer_ = std::make_unique<MaskPreparer>();
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_GRAMMAR_STORE_H_
