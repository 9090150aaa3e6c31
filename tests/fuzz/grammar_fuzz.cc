// Any bytes as a grammar: the first says of which kind, the rest is its text. Refused with a status
// within the limits, or an automaton that a worker takes, whose masks say what trying a token says
// (of a very ambiguous one they may say less) and cost no more than they may, and whose forced
// bytes are accepted. As kind 'w' the bytes are the automaton itself, as a worker would get it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "coordinator/text/grammar/compile.h"
#include "worker/sample/grammar_matcher.h"

namespace switchyard {
namespace {

constexpr text::grammar::GrammarLimits kLimits = {
    .source_bytes_max = 1 << 16, .states_max = 5000, .work_max = 300'000};
constexpr int kSteps = 24;

std::shared_ptr<const worker::TokenTrie> MakeTrie() {
  v1::TokenTable table;
  const auto add = [&](std::string_view token) {
    table.mutable_bytes()->append(token);
    table.add_lengths(token.size());
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  for (const char* token :
       {"\":", "\",\"", "}}", "ab", "abc", " a", "12", "],[", "\\u00", "\xe6\x97"}) {
    add(token);
  }
  add("");
  return worker::TokenTrie::Create(table).value();
}

absl::StatusOr<v1::Grammar> Compile(char kind, std::string_view source) {
  using namespace text::grammar;  // NOLINT
  switch (kind) {
    case 'r':
      return CompileRegex(source, kLimits);
    case 'e':
      return CompileEbnf(source, kLimits);
    case 'c':
      return CompileChoice({std::string(source), "b"}, kLimits);
    default:
      break;
  }
  absl::StatusOr<Json> schema = ParseJson(source);
  if (!schema.ok()) return schema.status();
  return CompileJsonSchema(*schema, kind == 'f' ? JsonSpacing::kFlexible : JsonSpacing::kCompact,
                           kLimits);
}

// Of one mask: its own, the states that it may find, and what a last step goes beyond.
uint64_t MostWork(const worker::GrammarMasks& masks) {
  constexpr uint64_t kMaxStepWork = 200'000;
  return masks.max_mask_work() * (1 + worker::GrammarMasks::kStateUses) + masks.max_state_work() +
         2 * kMaxStepWork;
}

// Goes the way that `source` happens to say.
void Run(const v1::Grammar& grammar, std::string_view source, bool is_compiled) {
  static const auto* const kTrie = new std::shared_ptr<const worker::TokenTrie>(MakeTrie());
  auto automaton = worker::GrammarAutomaton::Create(grammar);
  SY_CHECK(automaton.ok() || !is_compiled) << automaton.status();
  if (!automaton.ok()) return;
  const auto masks = std::make_shared<worker::GrammarMasks>(*std::move(automaton), *kTrie, 1 << 16);
  worker::GrammarMatcher matcher(masks);
  const int32_t ending = static_cast<int32_t>((*kTrie)->vocab_size()) - 1;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<uint32_t> mask(matcher.mask_words());
    const uint64_t work_before = masks->work();
    bool lacks_tokens = false;
    const bool any = matcher.FillMask(std::array{ending}, mask, &lacks_tokens);
    SY_CHECK_LE(masks->work() - work_before, MostWork(*masks));
    // A vocabulary with all bytes can say whatever a compiled grammar wants.
    SY_CHECK(any || !is_compiled);
    std::vector<int32_t> allowed;
    for (int32_t token = 0; token < ending; ++token) {
      const bool is_allowed = ((mask[token / 32] >> (token % 32)) & 1) != 0;
      worker::GrammarMatcher copy = matcher;
      const bool is_accepted = copy.AdvanceToken(token);
      SY_CHECK(is_accepted == is_allowed || (is_accepted && lacks_tokens)) << token;
      if (is_allowed) allowed.push_back(token);
    }
    worker::GrammarMatcher forced = matcher;
    SY_CHECK(forced.Advance(matcher.ForcedBytes(8)));
    if (allowed.empty()) return;
    const uint8_t choice = source.empty() ? 0 : static_cast<uint8_t>(source[step % source.size()]);
    SY_CHECK(matcher.AdvanceToken(allowed[(choice + step) % allowed.size()]));
  }
}

void CompileAndRun(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string_view source = bytes.substr(1);
  if (bytes[0] == 'w') {
    v1::Grammar grammar;
    if (grammar.ParseFromArray(source.data(), static_cast<int>(source.size()))) {
      Run(grammar, source, false);
    }
    return;
  }
  const auto grammar = Compile(bytes[0], source);
  if (grammar.ok()) Run(*grammar, source, true);
}

}  // namespace
}  // namespace switchyard

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  switchyard::CompileAndRun({reinterpret_cast<const char*>(data), size});
  return 0;
}
