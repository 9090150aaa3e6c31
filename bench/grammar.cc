// What structured output costs: compiling a grammar, and finding the tokens that it allows at each
// token of an answer, over a vocabulary of 128,000 made-up tokens that are spread as a real one's:
// words with and without a blank before them, numbers, punctuation and its combinations, code, and
// characters of other scripts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "coordinator/text/grammar/compile.h"
#include "coordinator/text/utf8.h"
#include "worker/sample/grammar_matcher.h"
#include "worker/sample/mask_preparer.h"

namespace switchyard {
namespace {

using Clock = std::chrono::steady_clock;
using text::grammar::CompileEbnf;
using text::grammar::CompileJsonObject;
using text::grammar::CompileJsonSchema;
using text::grammar::CompileRegex;

constexpr size_t kVocabSize = 128'000;
constexpr std::chrono::milliseconds kStep(10);

double MicrosecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

class Vocabulary {
 public:
  std::vector<std::string> Make() {
    for (int byte = 0; byte < 256; ++byte) tokens_.insert(std::string(1, static_cast<char>(byte)));
    for (int number = 0; number < 1000; ++number) {
      for (const char* format : {"{}", "{:02}", "{:03}"}) {
        tokens_.insert(fmt::format(fmt::runtime(format), number));
      }
    }
    const std::string_view marks = "\"{}[],:.;()<>=/\\'-_#*!?&|+ \n\t";
    for (const char a : marks) {
      for (const char b : marks) {
        tokens_.insert({a, b});
        for (const char c : std::string_view("\"{}[],: \n")) tokens_.insert({a, b, c});
      }
    }
    for (int length = 1; length <= 80; ++length) tokens_.insert(std::string(length, ' '));
    while (tokens_.size() < kVocabSize) tokens_.insert(Draw());
    return {tokens_.begin(), tokens_.end()};
  }

 private:
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(RandomBits(7, next_++) % limit); }

  std::string Draw() {
    const uint32_t kind = Below(100);
    if (kind < 12) return Characters();
    std::string word;
    if (Below(2) == 0) word.push_back(' ');
    const uint32_t num_syllables = 1 + Below(4);
    for (uint32_t i = 0; i < num_syllables; ++i) {
      word += "bcdfghjklmnpqrstvwz"[Below(19)];
      word += "aeiouy"[Below(6)];
      if (Below(2) == 0) word += "nrstlm"[Below(6)];
    }
    const size_t first = word[0] == ' ' ? 1 : 0;
    if (Below(3) == 0) word[first] = static_cast<char>(word[first] - 'a' + 'A');
    if (kind < 20) word += std::string_view("\":,.(_=\n")[Below(8)];
    if (kind >= 20 && kind < 23) word.insert(word.begin(), '"');
    return word;
  }

  std::string Characters() {
    constexpr uint32_t kScripts[] = {0x4e00, 0x0410, 0x0391, 0x3041, 0xac00, 0x0905, 0x1f600};
    std::string text;
    const uint32_t script = kScripts[Below(7)];
    for (uint32_t i = 0, count = 1 + Below(4); i < count; ++i) {
      text::AppendUtf8(script + Below(script == 0x4e00 || script == 0xac00 ? 6000 : 30), text);
    }
    return text;
  }

  std::set<std::string> tokens_;
  uint64_t next_ = 0;
};

struct Sample {
  const char* name;
  absl::StatusOr<v1::Grammar> grammar;
  std::string answer;
  double compile_us = 0;
};

template <typename Compile>
Sample MakeSample(const char* name, Compile compile, std::string answer) {
  const auto begin = Clock::now();
  auto grammar = compile();
  return {name, std::move(grammar), std::move(answer), MicrosecondsSince(begin)};
}

Sample SchemaSample(const char* name, const char* schema, std::string answer) {
  const Json parsed = ParseJson(schema).value();
  return MakeSample(
      name, [&] { return CompileJsonSchema(parsed); }, std::move(answer));
}

std::vector<Sample> Samples() {
  const std::string prose =
      "The quick brown fox, says the note, jumped over 13 lazy dogs; nobody was harmed. ";
  std::vector<Sample> samples;
  samples.push_back(MakeSample(
      "JSON mode", [] { return CompileJsonObject(); },
      R"({"name":"Zo\u00eb","tags":["alpha","beta"],"size":[1,2.5,-3e4],"note":")" + prose +
          R"(","nested":{"deep":{"deeper":[{"a":null},true]}}})"));
  samples.push_back(SchemaSample(
      "person (closed object)",
      R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer",
          "minimum": 0, "maximum": 150}, "email": {"type": "string", "format": "email"},
          "bio": {"type": "string", "maxLength": 200}}, "required": ["name", "age"],
          "additionalProperties": false})",
      R"({"name":"Ada Lovelace","age":36,"email":"ada@example.org","bio":")" + prose + R"("})"));
  samples.push_back(SchemaSample(
      "list of 100 items",
      R"({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"},
          "kind": {"enum": ["small", "medium", "large"]}, "price": {"type": "number"}},
          "required": ["id", "kind", "price"], "additionalProperties": false}, "maxItems": 100})",
      R"([{"id":1,"kind":"small","price":1.5},{"id":27,"kind":"large","price":20},)"
      R"({"id":333,"kind":"medium","price":0.125}])"));
  samples.push_back(SchemaSample(
      "tree (recursion)",
      R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"label":
          {"type": "string", "minLength": 1}, "children": {"type": "array", "items": {"$ref":
          "#/$defs/node"}}}, "required": ["label", "children"], "additionalProperties": false}}})",
      R"({"label":"root of all","children":[{"label":"left one","children":[{"label":"leaf",)"
      R"("children":[]}]},{"label":"right","children":[]}]})"));
  samples.push_back(SchemaSample(
      "tools (anyOf)",
      R"({"anyOf": [{"type": "object", "properties": {"tool": {"const": "search"}, "query": {"type":
          "string"}}, "required": ["tool", "query"]}, {"type": "object", "properties": {"tool":
          {"const": "fetch"}, "url": {"type": "string"}}, "required": ["tool", "url"]}]})",
      R"({"tool":"search","query":"how many lazy dogs does the fox jump over"})"));
  samples.push_back(MakeSample(
      "regex", [] { return CompileRegex("(\\w+ ){3,20}\\d{4}-\\d{2}-\\d{2}\\."); },
      "the meeting is held on 2026-11-28."));
  std::string text;
  while (text.size() < 900) text += prose;
  samples.push_back(MakeSample(
      "regex .{800,1200}", [] { return CompileRegex(".{800,1200}"); }, text));
  samples.push_back(SchemaSample(
      "pattern and maxLength",
      R"({"type": "object", "properties": {"title": {"type": "string", "pattern":
          "^[A-Z][A-Za-z0-9 ,;:]*$", "maxLength": 100}, "slug": {"type": "string", "pattern":
          "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 60}}, "required": ["title", "slug"],
          "additionalProperties": false})",
      R"({"title":"The quick brown fox, says the note, jumped over 13 lazy dogs; and so on",)"
      R"("slug":"the-quick-brown-fox-jumped-over-13-lazy-dogs-and-so-on"})"));
  samples.push_back(MakeSample(
      "GBNF (expressions)",
      [] {
        return CompileEbnf(
            "root ::= sum\nsum ::= term ((\" + \" | \" - \") term)*\n"
            "term ::= [0-9]+ | [a-z]+ | \"(\" sum \")\"");
      },
      "alpha + (12 - beta + (300 - gamma)) - 4567 + delta"));
  return samples;
}

// The longest token first, as a stand-in for the tokenizer.
int32_t LongestToken(const worker::TokenTrie& trie, std::string_view text) {
  int32_t longest = -1;
  uint32_t n = 1;
  uint32_t end = trie.num_nodes();
  for (const char c : text) {
    while (n < end && trie.node(n).byte != static_cast<uint8_t>(c)) n = trie.node(n).subtree_end;
    if (n >= end) break;
    if (!trie.tokens(n).empty()) longest = trie.tokens(n).front();
    end = trie.node(n).subtree_end;
    ++n;
  }
  SY_CHECK(longest >= 0);
  return longest;
}

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * values.size()))];
}

// Microseconds of each mask along the answer; between two of them a step computes for so long.
std::vector<double> TimeMasks(const Sample& sample, std::shared_ptr<worker::GrammarMasks> masks,
                              std::chrono::milliseconds step = {}) {
  worker::GrammarMatcher matcher(masks);
  std::vector<uint32_t> mask(matcher.mask_words());
  std::vector<double> times;
  for (std::string_view rest = sample.answer; !rest.empty();) {
    std::this_thread::sleep_for(step);
    const auto begin = Clock::now();
    bool lacks_tokens = false;
    matcher.FillMask({}, mask, &lacks_tokens);
    times.push_back(MicrosecondsSince(begin));
    const int32_t token = LongestToken(masks->trie(), rest);
    const bool is_allowed = ((mask[token / 32] >> (token % 32)) & 1) != 0;
    SY_CHECK(!lacks_tokens && is_allowed && matcher.AdvanceToken(token))
        << sample.name << " before " << rest;
    rest.remove_prefix(masks->trie().bytes(token).size());
  }
  SY_CHECK(matcher.IsAccepting()) << sample.name;
  return times;
}

void Report(const Sample& sample, const std::shared_ptr<const worker::TokenTrie>& trie) {
  SY_CHECK(sample.grammar.ok()) << sample.name << ": " << sample.grammar.status();
  const auto automaton = worker::GrammarAutomaton::Create(*sample.grammar).value();
  const auto masks = std::make_shared<worker::GrammarMasks>(automaton, trie);
  const std::vector<double> first = TimeMasks(sample, masks);
  std::vector<double> later;
  for (int round = 0; round < 20; ++round) {
    const std::vector<double> times = TimeMasks(sample, masks);
    later.insert(later.end(), times.begin(), times.end());
  }
  // As workers do: from the beginning on another thread finds what is wide.
  worker::MaskPreparer preparer;
  const auto ahead = std::make_shared<worker::GrammarMasks>(automaton, trie);
  preparer.Add(ahead);
  const std::vector<double> meanwhile = TimeMasks(sample, ahead, kStep);
  const auto prepared = std::make_shared<worker::GrammarMasks>(automaton, trie);
  const auto begin = Clock::now();
  preparer.Add(prepared);
  preparer.WaitUntilIdle();
  const double prepare_us = MicrosecondsSince(begin);
  const std::vector<double> after = TimeMasks(sample, prepared);
  fmt::print(
      "{:24} {:6} {:8.2f} {:6} {:8.1f} {:8.1f} {:8.1f} {:9.1f} {:9.1f} {:9.1f} {:8.1f} {:8}\n",
      sample.name, automaton->num_states(), sample.compile_us / 1e3, first.size(),
      Quantile(later, 0.5), Quantile(later, 0.99), Quantile(first, 0.5), Quantile(first, 1.0),
      Quantile(meanwhile, 1.0), Quantile(after, 1.0), prepare_us / 1e3,
      prepared->cache_bytes() >> 10);
}

void Run() {
  v1::TokenTable table;
  for (const std::string& token : Vocabulary().Make()) {
    table.mutable_bytes()->append(token);
    table.add_lengths(token.size());
  }
  const auto begin = Clock::now();
  const auto trie = worker::TokenTrie::Create(table).value();
  fmt::print("{} tokens, {} KiB on the wire; tree of {} nodes in {:.0f} ms\n", trie->vocab_size(),
             table.ByteSizeLong() >> 10, trie->num_nodes(), MicrosecondsSince(begin) / 1e3);
  fmt::print(
      "us per mask: of later answers; of the first one found by its steps; the most of a first one "
      "whose steps take {} ms, while another thread finds masks ahead, and after it has\n",
      kStep.count());
  fmt::print("{:24} {:>6} {:>8} {:>6} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>8} {:>8}\n", "grammar",
             "states", "built ms", "tokens", "p50", "p99", "1st p50", "1st max", "ahead max",
             "ready max", "ahead ms", "kept KiB");
  for (const Sample& sample : Samples()) Report(sample, trie);
}

}  // namespace
}  // namespace switchyard

int main() { switchyard::Run(); }
