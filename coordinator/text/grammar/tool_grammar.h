// The grammar of an answer that calls tools: whom a request obliges to call, or promises arguments
// by their schema, is held to the layout that the model's template writes calls in.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOOL_GRAMMAR_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOOL_GRAMMAR_H_

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/text/grammar/budget.h"
#include "coordinator/text/reasoning_parser.h"
#include "coordinator/text/tokenizer.h"
#include "coordinator/text/tool_call_layout.h"
#include "proto/grammar.pb.h"

namespace switchyard::text::grammar {

struct CallableTool {
  std::string name;   // IsToolName
  Json parameters;    // a schema of an object; null: any object
  std::string where;  // what messages call it
};

struct ToolCallRules {
  ToolFormat format = ToolFormat::kHermes;
  std::vector<CallableTool> tools;  // at least one; names differ
  bool must_call = true;            // else text may stand before the calls or instead of them
  bool may_repeat = true;           // else one call at most
  std::optional<ReasoningMarks> reasoning;  // marks that the text may hold
};

// Pure, for any thread, within the limits. INVALID_ARGUMENT naming the tool for parameters that are
// no schema of an object or cannot be compiled. `tokenizer` says which marks are special tokens.
//
// Arguments have one blank behind commas and colons, or none, as the model was taught them.
//
// NOTE: text before calls is free but for what begins a call; behind the last call nothing comes.
absl::StatusOr<v1::Grammar> CompileToolCalls(const ToolCallRules& rules, const Tokenizer& tokenizer,
                                             const GrammarLimits& limits = {});

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOOL_GRAMMAR_H_
