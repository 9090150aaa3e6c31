// Masks that are found ahead on another thread are those that steps find, whoever comes first.
#include "worker/sample/mask_preparer.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "coordinator/text/grammar/compile.h"
#include "coordinator/text/grammar/token_table.h"
#include "worker/sample/grammar_matcher.h"

namespace switchyard::worker {
namespace {

using text::grammar::CompileJsonObject;
using text::grammar::CompileJsonSchema;
using text::grammar::CompileRegex;

std::shared_ptr<const TokenTrie> Vocabulary() {
  static const auto* const trie = [] {
    const auto tokenizer =
        text::Tokenizer::FromFiles(SWITCHYARD_SOURCE_DIR "/models/tiny-r1").value();
    const auto made = TokenTrie::Create(text::grammar::MakeTokenTable(*tokenizer)).value();
    return new std::shared_ptr<const TokenTrie>(made);
  }();
  return *trie;
}

std::vector<std::shared_ptr<const GrammarAutomaton>> Grammars() {
  const Json schema = {{"type", "object"},
                       {"properties",
                        {{"name", {{"type", "string"}, {"maxLength", 9}}},
                         {"note", {{"type", "string"}}},
                         {"size", {{"type", "number"}}},
                         {"tags", {{"type", "array"}, {"items", {{"type", "string"}}}}}}}};
  std::vector<std::shared_ptr<const GrammarAutomaton>> grammars;
  for (const absl::StatusOr<v1::Grammar>& grammar :
       {CompileJsonObject(), CompileJsonSchema(schema), CompileRegex("(\\w+ ?){3,20}\\."),
        CompileRegex("[^x]{2,30}x|.*y")}) {
    grammars.push_back(GrammarAutomaton::Create(grammar.value()).value());
  }
  return grammars;
}

// Tokens at random from what is allowed; each mask is held against that of `plain`.
void Walk(std::shared_ptr<GrammarMasks> masks, std::shared_ptr<GrammarMasks> plain, uint64_t seed) {
  GrammarMatcher got(std::move(masks)), want(std::move(plain));
  std::vector<uint32_t> mask(static_cast<size_t>(got.mask_words())), wanted(mask.size());
  for (uint64_t step = 0; step < 60; ++step) {
    const bool any = want.FillMask({}, wanted);
    ASSERT_EQ(got.FillMask({}, mask), any);
    ASSERT_EQ(mask, wanted) << "seed " << seed << ", step " << step;
    if (!any) return;
    auto token = static_cast<size_t>(RandomBits(seed, step) % (mask.size() * 32));
    while (((mask[token / 32] >> (token % 32)) & 1) == 0) token = (token + 1) % (mask.size() * 32);
    ASSERT_TRUE(got.AdvanceToken(static_cast<int32_t>(token)));
    ASSERT_TRUE(want.AdvanceToken(static_cast<int32_t>(token)));
  }
}

TEST(MaskPreparer, StepsGetTheSameMasksWhoeverFindsThem) {
  const auto grammars = Grammars();
  std::vector<std::shared_ptr<GrammarMasks>> plain;
  for (const auto& grammar : grammars) {
    plain.push_back(std::make_shared<GrammarMasks>(grammar, Vocabulary()));
  }
  MaskPreparer preparer;
  for (uint64_t round = 0; round < 20; ++round) {
    for (size_t g = 0; g < grammars.size(); ++g) {
      // A small cache forgets what was found, on both sides.
      const size_t cache_bytes = round % 4 == 3 ? 4000 : GrammarMasks::kDefaultCacheBytes;
      const auto masks = std::make_shared<GrammarMasks>(grammars[g], Vocabulary(), cache_bytes);
      preparer.Add(masks);
      if (round % 4 == 1) preparer.WaitUntilIdle();
      Walk(masks, plain[g], 100 * round + g);
      ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "grammar " << g;
    }
  }
}

TEST(MaskPreparer, FindsWideStatesBeforeAnyStep) {
  MaskPreparer preparer;
  const auto masks = std::make_shared<GrammarMasks>(Grammars()[0], Vocabulary());
  EXPECT_EQ(masks->cache_bytes(), 0u);
  preparer.Add(masks);
  preparer.WaitUntilIdle();
  EXPECT_GT(masks->cache_bytes(), size_t{1000});
  EXPECT_FALSE(masks->PrepareOne()) << "something was left";
}

TEST(MaskPreparer, LetsGoOfWhatNobodyHas) {
  MaskPreparer preparer;
  for (const auto& grammar : Grammars()) {
    preparer.Add(std::make_shared<GrammarMasks>(grammar, Vocabulary()));
  }
  preparer.WaitUntilIdle();
  const auto masks = std::make_shared<GrammarMasks>(Grammars()[0], Vocabulary());
  preparer.Add(masks);
  preparer.WaitUntilIdle();
  EXPECT_EQ(masks.use_count(), 1);
}

}  // namespace
}  // namespace switchyard::worker
