// A model's chat template: messages to the prompt the model was trained on.
//
// Templates are Jinja as transformers runs it: trim_blocks and lstrip_blocks, loop controls, {%
// generation %}, tojson without HTML escapes, raise_exception, strftime_now. The rendered text says
// of each of its parts whether the template wrote it or the request brought it (rendered_text.h),
// so that a special token inside a user's message stays text.
#ifndef SWITCHYARD_COORDINATOR_TEXT_CHAT_TEMPLATE_H_
#define SWITCHYARD_COORDINATOR_TEXT_CHAT_TEMPLATE_H_

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/text/jinja_ast.h"
#include "coordinator/text/jinja_runtime.h"
#include "coordinator/text/rendered_text.h"

namespace switchyard::text {

struct TemplateInput {
  // A list of objects. A `content` of null counts as absent, and is none all the same: some
  // templates test whether it is none, others whether it is there.
  const Json& messages;
  // A list, or null: the template's `tools` is then none.
  const Json* tools = nullptr;
  bool add_generation_prompt = false;
  // An object, or null: chat_template_kwargs, the request's own variables for the template.
  const Json* kwargs = nullptr;
  // An empty one is not defined in the template.
  std::string_view bos_token;
  std::string_view eos_token;
  // What strftime_now tells.
  std::tm now = {};
};

// Compiled once, rendered by any thread; copies share the tree.
class ChatTemplate {
 public:
  // INVALID_ARGUMENT, with the line: a syntax error, an unknown tag, filter or test, more than
  // jinja::kMaxSourceBytes.
  static absl::StatusOr<ChatTemplate> Compile(std::string_view source);

  // Whether a template's variable of this name comes from the other fields of its input: `kwargs`
  // may not set it.
  static bool IsReserved(std::string_view variable);

  // INVALID_ARGUMENT: a message that the template raised, exactly as it wrote it; a fault of the
  // template for these messages, with its line; messages, tools or kwargs of the wrong type.
  // RESOURCE_EXHAUSTED: more work, memory or output than `limits` allow.
  absl::StatusOr<RenderedText> Render(const TemplateInput& input,
                                      const jinja::Limits& limits = {}) const;

 private:
  explicit ChatTemplate(std::shared_ptr<const jinja::Block> block) : block_(std::move(block)) {}

  std::shared_ptr<const jinja::Block> block_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_CHAT_TEMPLATE_H_
