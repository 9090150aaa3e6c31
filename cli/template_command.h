// `switchyard template`: the prompt that a model's chat template makes of a request, for when
// answers look wrong.
#ifndef SWITCHYARD_CLI_TEMPLATE_COMMAND_H_
#define SWITCHYARD_CLI_TEMPLATE_COMMAND_H_

#include <ctime>
#include <iosfwd>
#include <optional>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct TemplateOptions {
  // One of the two: a model's folder, or a file that holds a template.
  std::string model_folder;
  std::string template_file;
  // A JSON object with `messages` and, if given, `tools`, `add_generation_prompt`,
  // `chat_template_kwargs`; `enable_thinking` and `thinking` may stand beside them. Other fields of
  // a chat request are ignored.
  std::string request_file;
  // What strftime_now tells the template; the local time if absent.
  std::optional<std::tm> now;
};

// Writes the rendered text and nothing else, no newline at its end either. INVALID_ARGUMENT: a
// malformed request or template, or a message that the template raised, in the template's own
// words; RESOURCE_EXHAUSTED: a template that does too much; UNAVAILABLE: `out` does not take the
// result.
absl::Status RunTemplate(const TemplateOptions& options, std::ostream& out);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_TEMPLATE_COMMAND_H_
