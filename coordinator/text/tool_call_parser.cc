#include "coordinator/text/tool_call_parser.h"

#include <utility>

#include "base/check.h"
#include "coordinator/text/llama_tool_calls.h"
#include "coordinator/text/marked_tool_calls.h"

namespace switchyard::text {
namespace {

struct Row {
  ToolFormat format;
  std::string_view name;
  // A template that writes calls in this form says these somewhere.
  std::string_view sign;
  std::string_view more = "";
};

constexpr Row kFormats[] = {
    {ToolFormat::kDeepSeek, "deepseek", "<｜tool▁call▁begin｜>", "```json"},
    {ToolFormat::kDeepSeekV31, "deepseek_v31", "<｜tool▁call▁begin｜>"},
    {ToolFormat::kHarmony, "harmony", "<|channel|>commentary"},
    {ToolFormat::kHermes, "hermes", "<tool_call>"},
    {ToolFormat::kLlama, "llama", "<|python_tag|>"},
    {ToolFormat::kLlama, "llama", "Environment: ipython"},
};

}  // namespace

std::optional<ToolFormat> FindToolFormat(std::string_view template_source) {
  for (const Row& row : kFormats) {
    const bool is_said = template_source.find(row.sign) != template_source.npos &&
                         template_source.find(row.more) != template_source.npos;
    if (is_said) return row.format;
  }
  return std::nullopt;
}

absl::StatusOr<ToolFormat> ParseToolFormat(std::string_view name) {
  for (const Row& row : kFormats) {
    if (row.name == name) return row.format;
  }
  return absl::InvalidArgumentError(fmt::format(
      "\"{}\" is no form of tool calls; it must be deepseek, deepseek_v31, harmony, hermes or "
      "llama",
      name));
}

std::vector<std::string_view> ToolMarks(ToolFormat format) {
  switch (format) {
    case ToolFormat::kDeepSeek:
    case ToolFormat::kDeepSeekV31:
      return {kDeepSeekForm.section_begin, kDeepSeekForm.section_end, kDeepSeekForm.call_begin,
              kDeepSeekForm.call_end, "<｜tool▁sep｜>"};
    case ToolFormat::kHarmony:
      return {"<|channel|>", "<|message|>"};
    case ToolFormat::kHermes:
      return {kHermesForm.call_begin, kHermesForm.call_end};
    case ToolFormat::kLlama:
      return {LlamaToolCalls::kTag};
  }
  SY_CHECK(false) << "no such form of tool calls";
  return {};
}

bool TakesArgumentsAsText(ToolFormat format) {
  return format == ToolFormat::kDeepSeek || format == ToolFormat::kDeepSeekV31;
}

std::unique_ptr<ToolCallParser> MakeToolCallParser(ToolFormat format,
                                                   std::vector<std::string> names) {
  switch (format) {
    case ToolFormat::kDeepSeek:
    case ToolFormat::kDeepSeekV31:
      return std::make_unique<MarkedToolCalls>(kDeepSeekForm, std::move(names));
    case ToolFormat::kHermes:
      return std::make_unique<MarkedToolCalls>(kHermesForm, std::move(names));
    case ToolFormat::kLlama:
      return std::make_unique<LlamaToolCalls>(std::move(names));
    case ToolFormat::kHarmony:
      break;
  }
  SY_CHECK(false) << "no such form of tool calls";
  return nullptr;
}

}  // namespace switchyard::text
