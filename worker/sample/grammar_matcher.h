// One sequence under a grammar: what it has said so far, and what it may say next.
#ifndef SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MATCHER_H_
#define SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MATCHER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/sample/grammar_masks.h"

namespace switchyard::worker {

// A value: a copy is a place to come back to (drafts that are not taken), and costs as much as the
// text is nested deep. What it says depends on the grammar and the text alone, so every rank that
// computes it comes to the same. Thread: the step's.
class GrammarMatcher {
 public:
  // REQUIRES: masks is not null.
  explicit GrammarMatcher(std::shared_ptr<GrammarMasks> masks);

  // The text goes on with `bytes`. False, and nothing changes, if the grammar has no such text.
  bool Advance(std::string_view bytes);
  // The same with the bytes of a token; false for one that has none or is not in the vocabulary.
  bool AdvanceToken(int32_t token);

  // The text so far is a whole one.
  bool IsAccepting() const { return !positions_.ended.empty(); }

  // Fills `mask` with the tokens that may come next, a bit each: bit t % 32 of word t / 32. The
  // `ending_tokens` are among them exactly when the text may end here. False when there are none
  // at all: the vocabulary has no token for what the grammar wants. REQUIRES: mask has
  // mask_words() words; ending tokens are in the vocabulary. Of a very ambiguous grammar a mask may
  // lack tokens (GrammarMasks says which): then `lacks_tokens`, unless null, becomes true, else
  // false.
  bool FillMask(std::span<const int32_t> ending_tokens, std::span<uint32_t> mask,
                bool* lacks_tokens = nullptr);
  int64_t mask_words() const { return masks_->trie().mask_words(); }

  // The bytes that come next in every text that begins like this one, `max_bytes` of them at most.
  // Empty where there is a choice, to end among them.
  std::string ForcedBytes(size_t max_bytes) const;
  // The same as tokens, each as long as it can be; ends before bytes that no token begins with.
  std::vector<int32_t> ForcedTokens(int32_t max_tokens) const;

 private:
  bool Step(uint8_t byte);
  GrammarPositions AdvanceTogether(std::string_view bytes, bool* was_cut);
  GrammarPositions AdvanceApart(std::string_view bytes);
  // The work it took.
  uint64_t AdvanceOne(const GrammarPosition& position, std::string_view bytes,
                      GrammarPositions* to);
  void DropUnusedNodes();

  std::shared_ptr<GrammarMasks> masks_;
  GrammarStacks stacks_;
  GrammarPositions positions_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MATCHER_H_
