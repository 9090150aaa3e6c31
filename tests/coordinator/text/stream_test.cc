// Token ids to text as it streams: the detokenizer and the stop strings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "coordinator/text/detokenizer.h"
#include "coordinator/text/stop_matcher.h"
#include "tests/coordinator/text/tokenizer_testing.h"

namespace switchyard::text {
namespace {

using ::testing::HasSubstr;

TEST(Detokenizer, HoldsACharacterBackUntilItIsWhole) {
  const auto tokenizer = MakeTokenizer(SmallTokenizerJson()).value();
  Detokenizer detokenizer(*tokenizer, false);
  EXPECT_EQ(detokenizer.Push('a'), "a");
  EXPECT_EQ(detokenizer.Push(0xe6), "");  // e6 97 a5 is U+65E5
  EXPECT_EQ(detokenizer.Push(0x97), "");
  EXPECT_EQ(detokenizer.Push(0xa5), "日");
  EXPECT_EQ(detokenizer.Flush(), "");
}

TEST(Detokenizer, ReplacesWhatBecomesNoCharacter) {
  const auto tokenizer = MakeTokenizer(SmallTokenizerJson()).value();
  Detokenizer detokenizer(*tokenizer, false);
  EXPECT_EQ(detokenizer.Push(0xe6), "");
  EXPECT_EQ(detokenizer.Push('a'), "\ufffda");
  EXPECT_EQ(detokenizer.Push(0xbf), "\ufffd");
  EXPECT_EQ(detokenizer.Push(0xf0), "");
  EXPECT_EQ(detokenizer.Push(0x9f), "");
  EXPECT_EQ(detokenizer.Flush(), "\ufffd");  // one for the two bytes that began a character
  EXPECT_EQ(detokenizer.Flush(), "");
}

TEST(Detokenizer, ASkippedSpecialTokenLeavesNoTrace) {
  const auto tokenizer = MakeTokenizer(SmallTokenizerJson()).value();
  Detokenizer skipping(*tokenizer, true);
  EXPECT_EQ(skipping.Push(0xc3), "");
  EXPECT_EQ(skipping.Push(300), "");
  EXPECT_EQ(skipping.Push(0xa9), "é");
  EXPECT_EQ(skipping.Push(301), "<x>");  // added, but not special
  Detokenizer keeping(*tokenizer, false);
  EXPECT_EQ(keeping.Push(300), "<s>");
}

TEST(Detokenizer, DeltasOfAnyIdsAddUpToTheWholeText) {
  const auto tokenizer = Tokenizer::FromFiles(SWITCHYARD_SOURCE_DIR "/models/tiny-r1").value();
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    // Low ids are mostly single bytes: broken UTF-8 of all kinds.
    const uint32_t num_ids = round % 2 == 0 ? 300 : 4200;
    std::vector<int32_t> ids(random() % 60);
    for (int32_t& id : ids) id = int32_t(random() % num_ids);
    for (const bool skip_special : {false, true}) {
      Detokenizer detokenizer(*tokenizer, skip_special);
      std::string text;
      for (const int32_t id : ids) {
        const std::string delta = detokenizer.Push(id);
        EXPECT_TRUE(IsValidUtf8(delta));
        text += delta;
      }
      text += detokenizer.Flush();
      EXPECT_EQ(text, tokenizer->Decode(ids, skip_special));
    }
  }
}

struct Outcome {
  std::string text;
  std::optional<std::string> stopped_by;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << '"' << outcome.text << "\" stopped by " << outcome.stopped_by.value_or("nothing");
}

// The meaning of stop strings, by looking at every end and every stop.
Outcome StopObviously(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 0; end <= text.size(); ++end) {
    const std::string* longest = nullptr;
    for (const std::string& stop : stops) {
      const bool ends_here = text.substr(0, end).ends_with(stop);
      if (ends_here && (longest == nullptr || stop.size() > longest->size())) longest = &stop;
    }
    if (longest != nullptr) return {text.substr(0, end - longest->size()), *longest};
  }
  return {text, std::nullopt};
}

Outcome StopInDeltas(const std::vector<std::string>& deltas,
                     const std::vector<std::string>& stops) {
  StopMatcher matcher = StopMatcher::Create(stops).value();
  Outcome outcome;
  for (const std::string& delta : deltas) outcome.text += matcher.Push(delta);
  outcome.text += matcher.Flush();
  outcome.stopped_by = matcher.stopped_by();
  return outcome;
}

TEST(StopMatcher, HoldsBackWhatMayBeginAStopString) {
  StopMatcher matcher = StopMatcher::Create({"</s>"}).value();
  EXPECT_EQ(matcher.Push("a<"), "a");
  EXPECT_EQ(matcher.Push("b</"), "<b");
  EXPECT_EQ(matcher.Push("s"), "");
  EXPECT_FALSE(matcher.stopped_by().has_value());
  EXPECT_EQ(matcher.Push(">more"), "");
  EXPECT_EQ(matcher.stopped_by(), "</s>");
  EXPECT_EQ(matcher.Push("even more"), "");
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcher, GivesTheHeldTextAtTheEnd) {
  StopMatcher matcher = StopMatcher::Create({"stop"}).value();
  EXPECT_EQ(matcher.Push("non-sto"), "non-");
  EXPECT_EQ(matcher.Flush(), "sto");
  EXPECT_FALSE(matcher.stopped_by().has_value());
}

TEST(StopMatcher, WithoutStopStringsAllTextPasses) {
  StopMatcher matcher = StopMatcher::Create({}).value();
  EXPECT_EQ(matcher.Push("text"), "text");
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcher, OverlappingStopsStopAtTheFirstThatIsWhole) {
  EXPECT_EQ(StopInDeltas({"xabcd"}, {"abcd", "bc"}), (Outcome{"xa", "bc"}));
  EXPECT_EQ(StopInDeltas({"xabc"}, {"bc", "abc", "c"}), (Outcome{"x", "abc"}));
  EXPECT_EQ(StopInDeltas({"aab"}, {"ab"}), (Outcome{"a", "ab"}));
}

TEST(StopMatcher, AnyDeltasGiveTheObviousOutcome) {
  std::mt19937 random(11);
  const auto random_text = [&](size_t length) {
    std::string text;
    while (text.size() < length) text += char('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stops(random() % 4);
    for (std::string& stop : stops) stop = random_text(1 + random() % 6);
    const std::string text = random_text(random() % 16);
    const Outcome expected = StopObviously(text, stops);
    for (size_t cut = 0; cut <= text.size(); ++cut) {  // every split in two
      EXPECT_EQ(StopInDeltas({text.substr(0, cut), text.substr(cut)}, stops), expected);
    }
    std::vector<std::string> bytes;  // and the finest
    for (const char byte : text) bytes.emplace_back(1, byte);
    EXPECT_EQ(StopInDeltas(bytes, stops), expected);
  }
}

TEST(StopMatcher, TextGoesOutAsSoonAsItIsSafe) {
  StopMatcher matcher = StopMatcher::Create({"aab"}).value();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(matcher.Push("a"), "");
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(matcher.Push("a"), "a");  // two letters stay behind, no more
}

TEST(StopMatcher, RefusesWhatCannotBeAStopString) {
  const auto refusal = [](std::vector<std::string> stops) {
    return std::string(Message(StopMatcher::Create(std::move(stops)).status()));
  };
  EXPECT_THAT(refusal({"a", ""}), HasSubstr("stop string 1 has 0 bytes"));
  EXPECT_THAT(refusal({std::string(StopMatcher::kMaxStopBytes + 1, 'a')}),
              HasSubstr("stop string 0 has 1025 bytes"));
  EXPECT_THAT(refusal(std::vector<std::string>(StopMatcher::kMaxStops + 1, "a")),
              HasSubstr("at most 16"));
}

}  // namespace
}  // namespace switchyard::text
