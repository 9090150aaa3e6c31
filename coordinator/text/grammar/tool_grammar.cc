#include "coordinator/text/grammar/tool_grammar.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "coordinator/text/grammar/regex_parser.h"
#include "coordinator/text/grammar/rule_book.h"
#include "coordinator/text/grammar/schema_compiler.h"
#include "coordinator/text/grammar/token_table.h"

namespace switchyard::text::grammar {
namespace {

// Where calls are the whole answer, a text that begins like this is one.
constexpr std::string_view kBeginOfCall = R"([ \t\r\n]*\{[ \t\r\n]*"name")";

class ToolGrammarWriter {
 public:
  ToolGrammarWriter(const ToolCallRules& rules, const Tokenizer& tokenizer, RuleBook& book)
      : rules_(rules), tokenizer_(tokenizer), book_(book), layout_(LayoutOf(rules.format)) {}

  // The rule of the answer.
  absl::StatusOr<uint32_t> Write() {
    const uint32_t answer = book_.AddRule("the answer");
    SY_ASSIGN_OR_RETURN(const uint32_t calls, WriteCalls());
    Nfa nfa(book_.budget());
    if (rules_.must_call) {
      nfa.Accept(nfa.AddCall(0, {.rule = calls}));
    } else {
      SY_ASSIGN_OR_RETURN(const Dfa free, FreeText());
      const uint32_t text_end = AddDfa(free, 0, nfa);
      nfa.Accept(text_end);
      nfa.Accept(nfa.AddCall(layout_.may_follow_text ? text_end : 0, {.rule = calls}));
    }
    SY_RETURN_IF_ERROR(book_.SetBody(answer, nfa));
    return answer;
  }

 private:
  std::string Encoded(std::string_view text) const {
    return WithSpecialTokens(tokenizer_, text, ToolMarks(rules_.format));
  }

  // All calls, and what stands around them.
  absl::StatusOr<uint32_t> WriteCalls() {
    const uint32_t calls = book_.AddRule("the tool calls");
    const uint32_t more = book_.AddRule("more tool calls");
    SY_ASSIGN_OR_RETURN(const uint32_t call, WriteCall());
    Nfa more_nfa(book_.budget());
    more_nfa.Accept(
        more_nfa.AddCall(more_nfa.AddText(0, Encoded(layout_.separator)), {.rule = call}));
    SY_RETURN_IF_ERROR(book_.SetBody(more, more_nfa));
    Nfa nfa(book_.budget());
    uint32_t at = nfa.AddCall(nfa.AddText(0, Encoded(layout_.section_begin)), {.rule = call});
    if (rules_.may_repeat) at = nfa.AddCall(at, {.rule = more, .min = 0, .max = kNoLimit});
    nfa.Accept(nfa.AddText(at, Encoded(layout_.section_end)));
    SY_RETURN_IF_ERROR(book_.SetBody(calls, nfa));
    return calls;
  }

  absl::StatusOr<uint32_t> WriteCall() {
    const uint32_t call = book_.AddRule("a tool call");
    Nfa nfa(book_.budget());
    const uint32_t name = nfa.AddText(0, Encoded(layout_.before_name));
    for (const CallableTool& tool : rules_.tools) {
      SY_CHECK(IsToolName(tool.name)) << tool.name;
      const absl::StatusOr<uint32_t> arguments = WriteArguments(tool);
      if (!arguments.ok()) return Annotate(arguments.status(), tool.where);
      const uint32_t begin = nfa.AddText(name, tool.name + Encoded(layout_.before_arguments));
      const uint32_t end = nfa.AddCall(begin, {.rule = *arguments});
      nfa.Accept(nfa.AddText(end, Encoded(layout_.after_arguments)));
    }
    SY_RETURN_IF_ERROR(book_.SetBody(call, nfa));
    return call;
  }

  absl::StatusOr<uint32_t> WriteArguments(const CallableTool& tool) {
    Json schema = tool.parameters.is_null() ? Json::object() : tool.parameters;
    if (!schema.is_object()) return absl::InvalidArgumentError("the parameters are no schema");
    const auto type = schema.find("type");
    const bool takes_objects =
        type == schema.end() || *type == "object" ||
        (type->is_array() && std::find(type->begin(), type->end(), "object") != type->end());
    if (!takes_objects) return absl::InvalidArgumentError("the parameters must be an object's");
    schema["type"] = "object";
    SY_ASSIGN_OR_RETURN(const std::vector<SchemaNode> nodes, ReadSchema(schema, book_.budget()));
    return SchemaCompiler(nodes, JsonSpacing::kOneBlank, book_).AddRules();
  }

  // Any text, of which no character or mark begins a call.
  absl::StatusOr<Dfa> FreeText() {
    Nfa all = AnyText();
    SY_ASSIGN_OR_RETURN(Dfa free, Determinize(all, book_.budget()));
    if (!layout_.may_follow_text) {
      SY_ASSIGN_OR_RETURN(const ExprPtr begin, ParseRegex(kBeginOfCall, book_.budget()));
      Nfa calls(book_.budget());
      const uint32_t behind = AddExpr(*begin, Encoding::kPlain, 0, calls);
      calls.Accept(AddDfa(free, behind, calls));
      return Without(free, calls);
    }
    for (const std::string_view mark : ToolMarks(rules_.format)) {
      if (IsSpecialToken(tokenizer_, mark)) continue;  // characters do not spell it
      Nfa marked(book_.budget());
      const uint32_t behind = marked.AddText(AddDfa(free, 0, marked), mark);
      marked.Accept(AddDfa(free, behind, marked));
      SY_ASSIGN_OR_RETURN(free, Without(free, marked));
    }
    return free;
  }

  absl::StatusOr<Dfa> Without(const Dfa& texts, const Nfa& others) {
    SY_ASSIGN_OR_RETURN(const Dfa without, Determinize(others, book_.budget()));
    return Subtract(texts, without, book_.budget());
  }

  Nfa AnyText() {
    Nfa nfa(book_.budget());
    nfa.Accept(0);
    nfa.AddJump(AddCodePoints(CodePoints::All(), Encoding::kPlain, 0, nfa), 0);
    if (!rules_.reasoning) return nfa;
    for (const int32_t id : {rules_.reasoning->begin, rules_.reasoning->end}) {
      const std::string_view mark = tokenizer_.DecodeToken(id);
      if (!IsSpecialToken(tokenizer_, mark)) continue;
      nfa.AddJump(nfa.AddText(0, WithSpecialTokens(tokenizer_, mark, {mark})), 0);
    }
    return nfa;
  }

  const ToolCallRules& rules_;
  const Tokenizer& tokenizer_;
  RuleBook& book_;
  const ToolCallLayout& layout_;
};

}  // namespace

absl::StatusOr<v1::Grammar> CompileToolCalls(const ToolCallRules& rules, const Tokenizer& tokenizer,
                                             const GrammarLimits& limits) {
  SY_CHECK(!rules.tools.empty());
  size_t num_bytes = 0;
  for (const CallableTool& tool : rules.tools) num_bytes += tool.parameters.dump().size();
  if (num_bytes > limits.source_bytes_max) {
    return absl::InvalidArgumentError(
        fmt::format("the tools' parameters have {} bytes; {} are "
                    "allowed",
                    num_bytes, limits.source_bytes_max));
  }
  Budget budget(limits);
  RuleBook book(budget);
  SY_ASSIGN_OR_RETURN(const uint32_t answer, ToolGrammarWriter(rules, tokenizer, book).Write());
  return book.Compile(answer);
}

}  // namespace switchyard::text::grammar
