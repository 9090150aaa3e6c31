#include "coordinator/gateway/text_spec.h"

#include <utility>
#include <variant>
#include <vector>

#include "base/field_error.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/request_builder.h"

namespace switchyard::gateway {

namespace {

absl::StatusOr<CompletionSpec> BuildOne(const CompletionContext& context, const TextPrompt& prompt,
                                        const GenerationFields& generation) {
  const ServedModel& model = *context.model;
  const int32_t context_length = ContextLength(model, *context.engine);
  std::vector<int32_t> tokens;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    SY_ASSIGN_OR_RETURN(tokens, EncodeText(model, *text, context_length));
  } else {
    tokens = std::get<std::vector<int32_t>>(prompt);
    SY_RETURN_IF_ERROR(CheckTokens(model, tokens));
  }
  return BuildSpec(model, context_length, generation, std::move(tokens));
}

}  // namespace

absl::StatusOr<std::vector<CompletionSpec>> BuildTextSpecs(const CompletionContext& context,
                                                           const CompletionRequest& request,
                                                           const RequestOrigin& origin) {
  SY_RETURN_IF_ERROR(CheckModelName(*context.model, request.generation.model));
  GenerationFields generation = request.generation;
  SY_RETURN_IF_ERROR(ReadOrigin(origin, &generation.scheduling));
  std::vector<CompletionSpec> specs;
  for (const TextPrompt& prompt : request.prompts) {
    absl::StatusOr<CompletionSpec> spec = BuildOne(context, prompt, generation);
    if (!spec.ok()) {
      const bool names_one = request.prompts.size() > 1 && FieldOf(spec.status()) == "prompt";
      return names_one ? WithParam(spec.status(), fmt::format("prompt[{}]", specs.size()))
                       : spec.status();
    }
    specs.push_back(*std::move(spec));
  }
  return specs;
}

std::vector<std::string> EchoesOf(const ServedModel& model, const CompletionRequest& request,
                                  const std::vector<CompletionSpec>& specs) {
  std::vector<std::string> echoes;
  if (!request.generation.echo) return echoes;
  for (size_t i = 0; i < specs.size(); ++i) {
    // Where special tokens are text, the start token that came to a text is, too.
    const bool skip_special = request.generation.skip_special;
    const auto* text = std::get_if<std::string>(&request.prompts[i]);
    echoes.push_back(text != nullptr && skip_special
                         ? *text
                         : model.tokenizer->Decode(specs[i].prompt_tokens, skip_special));
  }
  return echoes;
}

}  // namespace switchyard::gateway
