#include "coordinator/gateway/text_spec.h"

#include <utility>
#include <variant>
#include <vector>

#include "coordinator/gateway/request_builder.h"

namespace switchyard::gateway {

absl::StatusOr<CompletionSpec> BuildTextSpec(const CompletionContext& context,
                                             const CompletionRequest& request,
                                             std::string_view tenant) {
  const ServedModel& model = *context.model;
  SY_RETURN_IF_ERROR(CheckModelName(model, request.generation.model));
  std::vector<int32_t> tokens;
  if (const auto* prompt = std::get_if<std::string>(&request.prompt)) {
    SY_ASSIGN_OR_RETURN(tokens, EncodeText(model, *prompt));
  } else {
    tokens = std::get<std::vector<int32_t>>(request.prompt);
    SY_RETURN_IF_ERROR(CheckTokens(model, tokens));
  }
  SY_ASSIGN_OR_RETURN(CompletionSpec spec, BuildSpec(model, ContextLength(model, *context.engine),
                                                     request.generation, std::move(tokens)));
  SY_RETURN_IF_ERROR(ReadTenant(tenant, &spec.scheduling));
  return spec;
}

std::optional<std::string> EchoOf(const ServedModel& model, const CompletionRequest& request,
                                  const CompletionSpec& spec) {
  if (!request.generation.echo) return std::nullopt;
  if (const auto* prompt = std::get_if<std::string>(&request.prompt)) return *prompt;
  return model.tokenizer->Decode(spec.prompt_tokens, /*skip_special=*/true);
}

}  // namespace switchyard::gateway
