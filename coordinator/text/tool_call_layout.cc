#include "coordinator/text/tool_call_layout.h"

#include <absl/strings/ascii.h>

#include <algorithm>

#include "base/check.h"

namespace switchyard::text {
namespace {

constexpr ToolCallLayout kDeepSeek = {.section_begin = "<｜tool▁calls▁begin｜>",
                                      .before_name = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                                      .before_arguments = "\n```json\n",
                                      .after_arguments = "\n```<｜tool▁call▁end｜>",
                                      .separator = "\n",
                                      .section_end = "<｜tool▁calls▁end｜>"};

constexpr ToolCallLayout kDeepSeekV31 = {.section_begin = "<｜tool▁calls▁begin｜>",
                                         .before_name = "<｜tool▁call▁begin｜>",
                                         .before_arguments = "<｜tool▁sep｜>",
                                         .after_arguments = "<｜tool▁call▁end｜>",
                                         .separator = "",
                                         .section_end = "<｜tool▁calls▁end｜>"};

// The first message of an answer, which ends with the token that ends the answer.
constexpr ToolCallLayout kHarmony = {.section_begin = "",
                                     .before_name = " to=functions.",
                                     .before_arguments = "<|channel|>commentary json<|message|>",
                                     .after_arguments = "",
                                     .separator = "",
                                     .section_end = "",
                                     .may_follow_text = false,
                                     .may_repeat = false,
                                     .may_be_free = false};

constexpr ToolCallLayout kHermes = {.section_begin = "",
                                    .before_name = "<tool_call>\n{\"name\": \"",
                                    .before_arguments = "\", \"arguments\": ",
                                    .after_arguments = "}\n</tool_call>",
                                    .separator = "\n",
                                    .section_end = ""};

constexpr ToolCallLayout kLlama = {.section_begin = "",
                                   .before_name = "{\"name\": \"",
                                   .before_arguments = "\", \"parameters\": ",
                                   .after_arguments = "}",
                                   .separator = "; ",
                                   .section_end = "",
                                   .may_follow_text = false};

}  // namespace

const ToolCallLayout& LayoutOf(ToolFormat format) {
  switch (format) {
    case ToolFormat::kDeepSeek:
      return kDeepSeek;
    case ToolFormat::kDeepSeekV31:
      return kDeepSeekV31;
    case ToolFormat::kHarmony:
      return kHarmony;
    case ToolFormat::kHermes:
      return kHermes;
    case ToolFormat::kLlama:
      return kLlama;
  }
  SY_CHECK(false) << "no such form of tool calls";
  return kHermes;
}

bool IsToolName(std::string_view name) {
  const auto may_stand = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_-.:/").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), may_stand);
}

}  // namespace switchyard::text
