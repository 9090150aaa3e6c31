// What a model says that is held to tool calls: texts drawn from the masks, read as production
// reads them.
#include "coordinator/text/grammar/tool_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "coordinator/text/bound_tool_calls.h"
#include "coordinator/text/grammar/either.h"
#include "coordinator/text/grammar/token_table.h"
#include "tests/coordinator/text/grammar/grammar_testing.h"
#include "tests/coordinator/text/grammar/grammar_walk.h"
#include "tests/coordinator/text/grammar/json_validator.h"

namespace switchyard::text::grammar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kWalks = 40;  // with each form

// Every mark of DeepSeek's is a special token of it; Hermes' and Llama's are none.
const Tokenizer& TinyTokenizer() {
  static const Tokenizer* const kTokenizer =
      Tokenizer::FromFiles(SWITCHYARD_SOURCE_DIR "/models/tiny-r1").value().release();
  return *kTokenizer;
}

const std::shared_ptr<const worker::TokenTrie>& TinyTrie() {
  static const auto kTrie = worker::TokenTrie::Create(MakeTokenTable(TinyTokenizer())).value();
  return kTrie;
}

std::vector<CallableTool> Tools() {
  return {
      {.name = "get", .parameters = nullptr, .where = "tools[0]"},
      {.name = "get_weather",
       .parameters = ParseJson(R"({"properties":{"city":{"type":"string","maxLength":8},
               "days":{"type":"integer","minimum":1,"maximum":14}},"required":["city","days"],
               "additionalProperties":false})")
                         .value(),
       .where = "tools[1]"},
      {.name = "note.add",
       .parameters = ParseJson(R"({"type":["object","null"],"properties":{"tags":{"type":"array",
               "items":{"$ref":"#/$defs/tag"},"maxItems":3}},"required":["tags"],
               "$defs":{"tag":{"enum":["a","b","c"]}},"additionalProperties":false})")
                         .value(),
       .where = "tools[2]"}};
}

constexpr ToolFormat kFormats[] = {ToolFormat::kDeepSeek, ToolFormat::kDeepSeekV31,
                                   ToolFormat::kHermes, ToolFormat::kLlama};

// What clients see of a walk's text: special tokens without their borders.
std::string Shown(std::string text) {
  std::erase(text, '\xff');
  return text;
}

std::string RunWalk(const ToolCallRules& rules, uint32_t seed) {
  const auto grammar = CompileToolCalls(rules, TinyTokenizer());
  return Walk(MakeMatcher(grammar, TinyTrie()), TinyTrie(), TinyTokenizer().eos_id().value(), seed)
      .Run();
}

struct Calls {
  std::string content;
  std::vector<ToolCall> calls;
};

// In pieces of `size` bytes.
Calls ReadWith(ToolCallParser& parser, std::string_view text, size_t size) {
  Calls all;
  const auto add = [&](ToolCallParser::Piece piece) {
    all.content += piece.content;
    for (ToolCall& call : piece.calls) {
      if (!call.name.empty()) {
        all.calls.push_back(std::move(call));
      } else {
        all.calls.at(all.calls.size() - 1).arguments += call.arguments;
      }
    }
  };
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    add(parser.Push(text.substr(0, size)));
  }
  add(parser.Flush());
  return all;
}

Calls ReadBound(ToolFormat format, std::string_view text, size_t size, bool is_demanded = false) {
  BoundToolCalls parser(LayoutOf(format), is_demanded);
  return ReadWith(parser, text, size);
}

void ExpectValid(const std::vector<CallableTool>& tools, const ToolCall& call) {
  const auto tool = std::find_if(tools.begin(), tools.end(),
                                 [&](const CallableTool& t) { return t.name == call.name; });
  ASSERT_NE(tool, tools.end()) << call.name;
  const auto arguments = nlohmann::json::parse(call.arguments, nullptr, false);
  ASSERT_TRUE(arguments.is_object()) << call.arguments;
  if (tool->parameters.is_null()) return;
  const auto schema = nlohmann::json::parse(tool->parameters.dump());
  EXPECT_EQ(FindViolation(schema, schema, arguments), "") << call.arguments;
}

TEST(ToolGrammar, WhoMustCallCallsInTheModelsFormWithArgumentsThatAreValid) {
  for (const ToolFormat format : kFormats) {
    std::set<std::string> called;
    size_t calls_max = 0;
    int num_read = 0;
    for (uint32_t seed = 0; seed < kWalks; ++seed) {
      const std::string drawn = RunWalk({.format = format, .tools = Tools()}, seed);
      ASSERT_FALSE(drawn.starts_with('!')) << drawn;
      const std::string text = Shown(drawn);
      const Calls bound = ReadBound(format, text, 1 + seed % 5);
      EXPECT_EQ(bound.content, "") << text;
      ASSERT_FALSE(bound.calls.empty()) << text;
      calls_max = std::max(calls_max, bound.calls.size());
      for (const ToolCall& call : bound.calls) {
        ExpectValid(Tools(), call);
        called.insert(call.name);
      }
      // The parser for models that nobody binds reads the same, but for objects that have a name
      // twice.
      const bool is_plain = std::all_of(bound.calls.begin(), bound.calls.end(),
                                        [](const auto& c) { return ParseJson(c.arguments).ok(); });
      if (!is_plain) continue;
      ++num_read;
      const auto free =
          MakeToolCallParser(format, std::vector<std::string>{"get", "get_weather", "note.add"});
      const Calls read = ReadWith(*free, text, 3);
      EXPECT_EQ(read.content, "") << text;
      ASSERT_EQ(read.calls.size(), bound.calls.size()) << text;
      for (size_t i = 0; i < bound.calls.size(); ++i) {
        EXPECT_EQ(read.calls[i].name, bound.calls[i].name);
        EXPECT_EQ(read.calls[i].arguments, bound.calls[i].arguments);
      }
    }
    EXPECT_EQ(called.size(), 3u);
    EXPECT_GT(calls_max, 1u);
    EXPECT_GT(num_read, kWalks / 2);
  }
}

TEST(ToolGrammar, OneCallEndsTheAnswerWhereNoMoreIsAskedFor) {
  for (const ToolFormat format : kFormats) {
    for (uint32_t seed = 0; seed < 8; ++seed) {
      const std::string drawn =
          RunWalk({.format = format, .tools = {Tools()[1]}, .may_repeat = false}, seed);
      const Calls read = ReadBound(format, Shown(drawn), 4);
      ASSERT_EQ(read.calls.size(), 1u) << drawn;
      EXPECT_EQ(read.calls[0].name, "get_weather");
    }
  }
}

TEST(ToolGrammar, MarksThatAreTokensAreWrittenAsTokens) {
  const std::string text =
      RunWalk({.format = ToolFormat::kDeepSeek, .tools = {Tools()[1]}, .may_repeat = false}, 1);
  EXPECT_THAT(text, HasSubstr("\xff<｜tool▁call▁begin｜>\xff"
                              "function\xff<｜tool▁sep｜>\xffget_weather\n```json\n{"));
  const auto grammar =
      CompileToolCalls({.format = ToolFormat::kDeepSeek, .tools = Tools()}, TinyTokenizer());
  EXPECT_FALSE(Accepts(grammar, Shown(text)));  // spelled in characters it is no call
  EXPECT_TRUE(Accepts(grammar, text));
}

TEST(ToolGrammar, TextIsFreeUntilACallBegins) {
  const auto accepts = [](ToolFormat format, std::string_view text) {
    const auto grammar = CompileToolCalls(
        {.format = format, .tools = {Tools()[1]}, .must_call = false}, TinyTokenizer());
    return Accepts(grammar, WithSpecialTokens(TinyTokenizer(), text, ToolMarks(format)));
  };
  const std::string good = R"({"city":"Rome","days":3})";
  const std::string bad = R"({"city":"Rome","days":30})";
  const auto deepseek = [](const std::string& arguments) {
    return "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```"
           "json\n" +
           arguments + "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  };
  const auto hermes = [](const std::string& arguments) {
    return "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": " + arguments +
           "}\n</tool_call>";
  };
  const auto llama = [](const std::string& arguments) {
    return "{\"name\": \"get_weather\", \"parameters\": " + arguments + "}";
  };
  for (const std::string text : {"", "Über 20 °C, {\"name\": 1} <b>\n", "  <tool", "{\"a\":1}"}) {
    for (const ToolFormat format : kFormats) EXPECT_TRUE(accepts(format, text)) << text;
    EXPECT_TRUE(accepts(ToolFormat::kDeepSeek, text + deepseek(good))) << text;
    EXPECT_FALSE(accepts(ToolFormat::kDeepSeek, text + deepseek(bad))) << text;
    EXPECT_TRUE(accepts(ToolFormat::kHermes, text + hermes(good))) << text;
    EXPECT_FALSE(accepts(ToolFormat::kHermes, text + hermes(bad))) << text;
    EXPECT_FALSE(accepts(ToolFormat::kHermes, text + hermes(good) + "\nand so on")) << text;
  }
  EXPECT_TRUE(accepts(ToolFormat::kLlama, llama(good) + "; " + llama(good)));
  EXPECT_TRUE(accepts(ToolFormat::kLlama, llama(R"({"city": "Rome", "days": 3})")));
  EXPECT_FALSE(accepts(ToolFormat::kLlama, llama(R"({"city":  "Rome","days":3})")));
  EXPECT_FALSE(accepts(ToolFormat::kLlama, llama(R"({ "city":"Rome","days":3})")));
  EXPECT_FALSE(accepts(ToolFormat::kLlama, llama(bad)));
  EXPECT_FALSE(accepts(ToolFormat::kLlama, R"( { "name":"get_weather"})"));
  EXPECT_FALSE(accepts(ToolFormat::kHermes, "<tool_call>"));
}

TEST(ToolGrammar, EitherOfTwoFormsIsAccepted) {
  const auto calls = CompileToolCalls(
      {.format = ToolFormat::kHermes, .tools = {Tools()[1]}, .may_repeat = false}, TinyTokenizer());
  // Each has loops, calls and sets of its own.
  const auto other =
      Schema(R"({"type":"array","items":{"type":"string"},"minItems":2,"maxItems":4})");
  for (const auto& either : {Either(*calls, *other), Either(*other, *calls)}) {
    EXPECT_TRUE(Accepts(either, R"(["a","b","c"])"));
    EXPECT_FALSE(Accepts(either, R"(["a"])"));
    const std::string call =
        "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Rome\",\"days\":3}}\n"
        "</tool_call>";
    EXPECT_TRUE(Accepts(either, call));
    EXPECT_FALSE(Accepts(either, call + R"(["a","b"])"));
    EXPECT_FALSE(Accepts(either, ""));
  }
  EXPECT_FALSE(Either(*calls, *other, {.states_max = 20}).ok());
}

// Where the model was free it may have meant text.
TEST(ToolGrammar, ADemandedCallThatIsCutInItsHeadLeavesNothing) {
  for (const ToolFormat format : kFormats) {
    const std::string text = Shown(RunWalk({.format = format, .tools = {Tools()[1]}}, 1));
    const ToolCallLayout& layout = LayoutOf(format);
    const size_t num_head = layout.section_begin.size() + layout.before_name.size();
    for (size_t size = 1; size < num_head + 5; ++size) {
      const std::string_view cut = std::string_view(text).substr(0, size);
      const Calls demanded = ReadBound(format, cut, 3, /*is_demanded=*/true);
      EXPECT_EQ(demanded.content, "") << cut;
      EXPECT_TRUE(demanded.calls.empty()) << cut;
      EXPECT_EQ(ReadBound(format, cut, 3).content, size < num_head ? cut : "") << cut;
    }
  }
}

TEST(ToolGrammar, TextBeforeACallComesOutAndItsWhiteSpaceGoes) {
  const std::string text =
      "I look.\n\n<tool_call>\n{\"name\": \"get\", \"arguments\": {\"a\":\"</tool_call>\"}}\n"
      "</tool_call>\n<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>";
  for (size_t size = 1; size <= text.size(); size += 7) {
    const Calls read = ReadBound(ToolFormat::kHermes, text, size);
    EXPECT_EQ(read.content, "I look.");
    ASSERT_EQ(read.calls.size(), 2u);
    EXPECT_EQ(read.calls[0].arguments, R"({"a":"</tool_call>"})");
    EXPECT_EQ(read.calls[1].arguments, "{}");
  }
  EXPECT_EQ(ReadBound(ToolFormat::kHermes, "1 <tool_cal \n", 1).content, "1 <tool_cal \n");
}

// Reading all of it anew for each piece would take minutes.
TEST(ToolGrammar, ALongRunOfWhiteSpaceIsReadOnce) {
  constexpr int kNumPieces = 100'000;
  const std::string blanks(80, ' ');
  for (const bool calls : {false, true}) {
    BoundToolCalls parser(LayoutOf(ToolFormat::kHermes), /*is_demanded=*/false);
    std::string content = parser.Push("I look.").content;
    for (int i = 0; i < kNumPieces; ++i) content += parser.Push(blanks).content;
    EXPECT_EQ(content, "I look.") << "it may stand before a call";
    if (calls) {
      const auto piece = parser.Push("<tool_call>\n{\"name\": \"get\", \"arguments\": {}}");
      EXPECT_EQ(piece.content, "");
      ASSERT_EQ(piece.calls.size(), 1u);
      EXPECT_EQ(piece.calls[0].text_before, 0u);
    } else {
      content += parser.Push("<tool_x").content;
      EXPECT_EQ(content.size(), 7 + kNumPieces * blanks.size() + 7);
    }
    EXPECT_EQ(parser.Flush().content, "");
  }
}

TEST(ToolGrammar, ArgumentsComeOutAsTheyGrow) {
  BoundToolCalls parser(LayoutOf(ToolFormat::kLlama), /*is_demanded=*/false);
  EXPECT_TRUE(parser.Push(R"({"name": "get", "param)").calls.empty());
  const auto first = parser.Push(R"(eters": {"a)").calls;
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].name, "get");
  EXPECT_EQ(first[0].arguments, R"({"a)");
  const auto second = parser.Push(R"(":1)").calls;
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].name, "");
  EXPECT_EQ(second[0].arguments, R"(":1)");
  EXPECT_EQ(parser.Push("}}").calls.at(0).arguments, "}");
  EXPECT_EQ(parser.Flush().content, "");
}

TEST(ToolGrammar, RefusesParametersThatItCannotHold) {
  const auto refusal = [](const char* parameters) {
    return std::string(CompileToolCalls({.format = ToolFormat::kHermes,
                                         .tools = {{.name = "f",
                                                    .parameters = ParseJson(parameters).value(),
                                                    .where = "tools[7]"}}},
                                        TinyTokenizer())
                           .status()
                           .message());
  };
  EXPECT_THAT(refusal(R"({"type":"string"})"), HasSubstr("tools[7]"));
  EXPECT_THAT(refusal("true"), HasSubstr("tools[7]"));
  EXPECT_THAT(refusal(R"({"properties":{"a":{"not":{}}}})"), HasSubstr("not"));
}

}  // namespace
}  // namespace switchyard::text::grammar
