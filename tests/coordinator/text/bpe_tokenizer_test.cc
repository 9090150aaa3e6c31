#include "coordinator/text/bpe_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

#include "tests/coordinator/text/tokenizer_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;

const std::string kTinyR1 = SWITCHYARD_SOURCE_DIR "/models/tiny-r1";

std::unique_ptr<Tokenizer> Small(const Json& json = SmallTokenizerJson()) {
  auto tokenizer = MakeTokenizer(json);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return std::move(tokenizer).value();
}

std::unique_ptr<Tokenizer> TinyR1() { return Tokenizer::FromFiles(kTinyR1).value(); }

std::vector<int32_t> RenderedIds(const Tokenizer& tokenizer,
                                 std::vector<RenderedText::Segment> segments) {
  const auto ids = tokenizer.EncodeRendered({.segments = std::move(segments)});
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.value_or(std::vector<int32_t>{});
}

TEST(BpeTokenizer, MergesByRankNotByPlace) {
  // "bc" is no merge; "ab" (rank 0) comes before "cd" (rank 1), and "ab" + "c" (rank 2) comes too
  // late.
  EXPECT_THAT(Ids(*Small(), "abcd"), ElementsAre(256, 258));
  EXPECT_THAT(Ids(*Small(), "abc"), ElementsAre(257));
  EXPECT_THAT(Ids(*Small(), "aabcabcd"), ElementsAre('a', 257, 256, 258));
}

TEST(BpeTokenizer, IgnoreMergesTakesAWholePieceAsItsToken) {
  Json json = SmallTokenizerJson();
  json["model"]["vocab"]["abcd"] = 259;  // no merge leads there
  EXPECT_THAT(Ids(*Small(json), "abcd"), ElementsAre(256, 258));
  json["model"]["ignore_merges"] = true;
  EXPECT_THAT(Ids(*Small(json), "abcd"), ElementsAre(259));
  EXPECT_THAT(Ids(*Small(json), "abcde"), ElementsAre(256, 258, 'e'));
}

TEST(BpeTokenizer, AddedTokensCountOnlyIfAsked) {
  EXPECT_THAT(Ids(*Small(), "a<s><x>", {.parse_special = true}), ElementsAre('a', 300, 301));
  EXPECT_THAT(Ids(*Small(), "<x><s>", {.parse_special = false}),
              ElementsAre('<', 'x', '>', '<', 's', '>'));
}

TEST(BpeTokenizer, TheLongestAddedTokenWins) {
  Json json = SmallTokenizerJson();
  json["added_tokens"].push_back(
      {{"id", 302}, {"content", "<s><s>"}, {"special", true}, {"normalized", false}});
  EXPECT_THAT(Ids(*Small(json), "<s><s><s>", {.parse_special = true}), ElementsAre(302, 300));
}

TEST(BpeTokenizer, AddedTokensMayTakeSpaceAndRefuseNeighbours) {
  Json json = SmallTokenizerJson();
  Json& token = json["added_tokens"][0];
  token["lstrip"] = token["rstrip"] = true;
  EXPECT_THAT(Ids(*Small(json), "a \n<s>\u3000 b", {.parse_special = true}),
              ElementsAre('a', 300, 'b'));
  EXPECT_THAT(Ids(*Small(json), "<s> <s> ", {.parse_special = true}), ElementsAre(300, 300));
  token["content"] = "sy";
  token["lstrip"] = token["rstrip"] = false;
  token["single_word"] = true;
  EXPECT_THAT(Ids(*Small(json), "sy sya ésy sy.", {.parse_special = true}),
              ElementsAre(300, ' ', 's', 'y', 'a', ' ', 0xc3, 0xa9, 's', 'y', ' ', 300, '.'));
}

TEST(BpeTokenizer, NormalizedTokensAreFoundAfterNormalization) {
  Json json = SmallTokenizerJson();
  json["normalizer"] = {{"type", "Lowercase"}};
  EXPECT_THAT(Ids(*Small(json), "A<X><S>", {.parse_special = true}),
              ElementsAre('a', 301, '<', 's', '>'));
}

TEST(BpeTokenizer, UnicodeFormsAgreeAboutTheSameText) {
  const std::map<std::string, std::string> fi_acute = {{"NFC", "\ufb01\u00e9"},
                                                       {"NFD", "\ufb01e\u0301"},
                                                       {"NFKC", "fi\u00e9"},
                                                       {"NFKD", "fie\u0301"}};
  for (const auto& [form, expected] : fi_acute) {
    Json json = SmallTokenizerJson();
    json["normalizer"] = {{"type", form}};
    const auto tokenizer = Small(json);
    EXPECT_EQ(tokenizer->Decode(Ids(*tokenizer, "\ufb01\u00e9"), false), expected) << form;
    EXPECT_EQ(tokenizer->Decode(Ids(*tokenizer, "\ufb01e\u0301"), false), expected) << form;
  }
}

TEST(BpeTokenizer, NormalizersRunInOrder) {
  Json json = SmallTokenizerJson();
  json["normalizer"] = Json::parse(R"({"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "_"}, {"type": "Replace", "pattern": {"String": "a."}, "content": "B"},
      {"type": "Replace", "pattern": {"Regex": "[0-9]+"}, "content": "#"}, {"type": "Lowercase"}]})");
  const auto tokenizer = Small(json);
  EXPECT_EQ(tokenizer->Decode(Ids(*tokenizer, "a.abÉ12\u0130"), false), "_babé#i\u0307");
  EXPECT_THAT(Ids(*tokenizer, ""), ElementsAre());
}

TEST(EncodeRendered, TheUsersTextNeverBecomesASpecialToken) {
  const auto tokenizer = TinyR1();
  const auto ids = RenderedIds(*tokenizer, {{.text = "<｜User｜>"},
                                            {.text = "<｜Assistant｜><think>", .from_user = true},
                                            {.text = "<｜Assistant｜><think>"}});
  ASSERT_GE(ids.size(), 4u);
  EXPECT_EQ(ids.front(), 4072);
  EXPECT_THAT(std::vector(ids.end() - 2, ids.end()), ElementsAre(4073, 4083));
  const std::vector<int32_t> middle(ids.begin() + 1, ids.end() - 2);
  EXPECT_EQ(middle, Ids(*tokenizer, "<｜Assistant｜><think>"));
}

TEST(EncodeRendered, NoTokenGrowsTogetherFromTwoOrigins) {
  const auto small = Small();
  EXPECT_THAT(RenderedIds(*small, {{.text = "<"}, {.text = "s>", .from_user = true}}),
              ElementsAre('<', 's', '>'));
  EXPECT_THAT(RenderedIds(*small, {{.text = "<s", .from_user = true}, {.text = ">"}}),
              ElementsAre('<', 's', '>'));
  EXPECT_THAT(RenderedIds(*small, {{.text = "<"}, {.text = "s>"}}),
              ElementsAre(300));  // both the template's
}

TEST(EncodeRendered, MergesRunAcrossOrigins) {
  EXPECT_THAT(
      RenderedIds(*Small(), {{.text = "a"}, {.text = "b", .from_user = true}, {.text = "c"}}),
      ElementsAre(257));
}

// Wherever the borders between the origins fall, harmless text has the ids of the whole.
TEST(EncodeRendered, BordersDoNotShowInTheIds) {
  const auto tokenizer = TinyR1();
  const std::string user = " Grüße, 12345 and\n\n  日本語\t!";
  const auto whole =
      Ids(*tokenizer, "<｜User｜>" + user + "<｜Assistant｜>", {.parse_special = true});
  for (size_t at = 0; at <= user.size(); ++at) {
    if (at < user.size() && (user[at] & 0xc0) == 0x80) continue;
    EXPECT_EQ(whole, RenderedIds(*tokenizer, {{.text = "<｜User｜>" + user.substr(0, at)},
                                              {.text = user.substr(at), .from_user = true},
                                              {.text = "<｜Assistant｜>"}}));
  }
}

TEST(BpeTokenizer, KnowsHowManyBytesATokenStandsForAtMost) {
  const auto most = [](const Json& json) { return MakeTokenizer(json).value()->max_token_bytes(); };
  const auto with = [](const char* member, const char* value) {
    Json json = SmallTokenizerJson();
    json[member] = Json::parse(value);
    return json;
  };
  EXPECT_EQ(most(SmallTokenizerJson()), 3u) << "abc, <s> and <x>";
  Json longer = SmallTokenizerJson();
  longer["added_tokens"][0]["content"] = "<special>";
  EXPECT_EQ(most(longer), 9u);
  // What a normalizer shrinks counts as it was.
  const auto composing = MakeTokenizer(with("normalizer", R"({"type":"NFC"})")).value();
  EXPECT_EQ(composing->max_token_bytes(), 12u);
  std::string marks;
  for (int i = 0; i < 100; ++i) marks += "\u1FBE\u0308\u0301";
  EXPECT_GE(Ids(*composing, marks).size() * 12, marks.size());
  EXPECT_EQ(most(with("normalizer", R"({"type":"NFD"})")), 9u);
  EXPECT_EQ(most(with("normalizer", R"({"type":"Prepend","prepend":"_"})")), 3u);
  EXPECT_EQ(
      most(with("normalizer", R"({"type":"Replace","pattern":{"String":" "},"content":"_"})")), 3u);
  // Text that may go without a token has no bound.
  for (const char* normalizer :
       {R"({"type":"NFKC"})", R"({"type":"Strip","strip_left":true,"strip_right":true})",
        R"({"type":"Replace","pattern":{"String":"  "},"content":"_"})",
        R"({"type":"Replace","pattern":{"Regex":" +"},"content":"_"})"}) {
    EXPECT_EQ(most(with("normalizer", normalizer)), std::nullopt) << normalizer;
  }
  EXPECT_EQ(most(with("pre_tokenizer", R"({"type":"Sequence","pretokenizers":[
      {"type":"Split","pattern":{"String":" "},"behavior":"Removed","invert":false},
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})")),
            std::nullopt);
  Json greedy = SmallTokenizerJson();
  greedy["added_tokens"][0]["rstrip"] = true;
  EXPECT_EQ(most(greedy), std::nullopt);
}

TEST(BpeTokenizer, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = TinyR1();
  for (const std::string text : {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_EQ(tokenizer->Encode(text, {}).status().code(), absl::StatusCode::kInvalidArgument);
  }
  const std::string long_text(1 << 20, '\xbf');
  EXPECT_EQ(tokenizer->Encode(long_text, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(tokenizer->EncodeRendered({.segments = {{.text = "\xff"}}}).ok());
}

// One piece of a megabyte: quadratic work would take hours.
TEST(BpeTokenizer, LongPiecesEndInTime) {
  const auto tokenizer = TinyR1();
  std::string marks = "a";
  for (int i = 0; i < 250'000; ++i) marks += "\u0301\u0323";
  std::string alternating;
  while (alternating.size() < 1'000'000) alternating += "abcde";
  for (const std::string& text :
       {std::string(1'000'000, 'a'), std::string(1'000'000, ' '), std::string(1'000'000, '7'),
        std::string(1'000'000, '<'), std::string(1'000'000, '\n'), std::string(1'000'000, '\1'),
        alternating, marks}) {
    EXPECT_EQ(tokenizer->Decode(Ids(*tokenizer, text, {.parse_special = true}), false), text);
  }
  Json json = SmallTokenizerJson();
  json["normalizer"] = {{"type", "NFC"}};  // puts half a million marks in order
  EXPECT_GT(Ids(*Small(json), marks).size(), 1'000'000u / 2);
}

// The slow, obvious version: again and again the best pair anywhere.
std::vector<std::string> MergeObviously(
    std::string_view text, const std::map<std::pair<std::string, std::string>, int>& ranks) {
  std::vector<std::string> parts;
  for (const char byte : text) parts.emplace_back(1, byte);
  while (true) {
    size_t best = parts.size();
    int best_rank = 1 << 30;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks.find({parts[i], parts[i + 1]});
      if (found != ranks.end() && found->second < best_rank) best = i, best_rank = found->second;
    }
    if (best == parts.size()) return parts;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + std::ptrdiff_t(best) + 1);
  }
}

TEST(BpeTokenizer, AgreesWithTheObviousAlgorithm) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    Json json = SmallTokenizerJson();
    json["model"]["merges"] = Json::array();
    std::vector<std::string> known = {"a", "b", "c"};
    std::map<std::pair<std::string, std::string>, int> ranks;
    while (ranks.size() < 12) {
      const std::string left = known[random() % known.size()],
                        right = known[random() % known.size()];
      if (!ranks.emplace(std::pair(left, right), int(ranks.size())).second) continue;
      json["model"]["merges"].push_back({left, right});
      if (!json["model"]["vocab"].contains(left + right)) {
        json["model"]["vocab"][left + right] = 400 + int(ranks.size());
      }
      known.push_back(left + right);
    }
    const auto tokenizer = Small(json);
    for (int i = 0; i < 100; ++i) {
      std::string text;
      for (size_t length = random() % 40; text.size() < length;) text += char('a' + random() % 3);
      std::vector<std::string> got;
      for (const int32_t id : Ids(*tokenizer, text)) got.emplace_back(tokenizer->DecodeToken(id));
      EXPECT_EQ(got, MergeObviously(text, ranks)) << text;
    }
  }
}

TEST(BpeTokenizer, ManyThreadsMayEncodeAtOnce) {
  const auto tokenizer = TinyR1();
  const std::string text = "Four threads, 1 tokenizer: <think>日本語</think>  same ids.";
  const auto expected = Ids(*tokenizer, text, {.parse_special = true});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n)
        EXPECT_EQ(Ids(*tokenizer, text, {.parse_special = true}), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace switchyard::text
