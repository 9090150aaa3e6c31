#include "coordinator/gateway/request_builder.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "coordinator/gateway/chat_options.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/final_message.h"

namespace switchyard::gateway {
namespace {

std::tm LocalTime() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

// Tokenizing what cannot fit would only take time.
absl::Status CheckSize(const ServedModel& model, size_t num_bytes, int32_t max_tokens,
                       std::string_view field) {
  const std::optional<size_t> of_token = model.tokenizer->max_token_bytes();
  if (!of_token || num_bytes / *of_token <= static_cast<size_t>(max_tokens)) {
    return absl::OkStatus();
  }
  return ParamError(field,
                    fmt::format("the prompt has {} bytes, and the context of {} tokens holds at "
                                "most {} bytes for each",
                                num_bytes, max_tokens, *of_token),
                    kContextLengthExceeded);
}

}  // namespace

absl::Status CheckModelName(const ServedModel& model, std::string_view name) {
  if (name.empty() || name == model.name) return absl::OkStatus();
  return WithParam(absl::NotFoundError(fmt::format("the model '{}' does not exist; '{}' is served",
                                                   name.substr(0, 200), model.name)),
                   "model", kModelNotFound);
}

absl::StatusOr<std::vector<int32_t>> EncodeChat(const ServedModel& model, const ChatFields& chat,
                                                int32_t max_tokens) {
  if (model.chat_template == nullptr) {
    return ParamError("messages", "this model has no chat template; use /v1/completions");
  }
  Json messages = chat.messages;
  SY_RETURN_IF_ERROR(PrepareToolCalls(model, &messages));
  const bool has_tools = chat.tools.is_array() && !chat.tools.empty();
  const Json tools = PrepareTools(model, chat.tools);
  absl::StatusOr<text::RenderedText> rendered = model.chat_template->Select(has_tools).Render(
      {.messages = messages,
       .tools = has_tools ? &tools : nullptr,
       .add_generation_prompt = chat.add_generation_prompt,
       .kwargs = &chat.template_kwargs,
       .bos_token = model.chat_template->bos_token,
       .eos_token = model.chat_template->eos_token,
       .now = LocalTime()});
  // Whatever a template stumbles over came with the request.
  if (!rendered.ok()) return ParamError("messages", Message(rendered.status()));
  if (chat.continue_final_message) {
    SY_RETURN_IF_ERROR(CutBehindFinalMessage(messages, &*rendered));
  }
  SY_RETURN_IF_ERROR(CheckSize(model, rendered->num_bytes(), max_tokens, "messages"));
  absl::StatusOr<std::vector<int32_t>> tokens = model.tokenizer->EncodeRendered(*rendered);
  if (!tokens.ok()) return WithParam(tokens.status(), "messages");
  return tokens;
}

absl::StatusOr<std::vector<int32_t>> EncodeText(const ServedModel& model, std::string_view text,
                                                int32_t max_tokens) {
  if (text.empty()) return ParamError("prompt", "the prompt is empty");
  SY_RETURN_IF_ERROR(CheckSize(model, text.size(), max_tokens, "prompt"));
  absl::StatusOr<std::vector<int32_t>> tokens =
      model.tokenizer->Encode(text, {.parse_special = true, .add_special_tokens = true});
  if (!tokens.ok()) return WithParam(tokens.status(), "prompt");
  return tokens;
}

absl::Status CheckTokens(const ServedModel& model, const std::vector<int32_t>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < model.vocab_size) continue;
    return ParamError(
        "prompt", fmt::format("token {} at position {} is outside the vocabulary of {}", tokens[i],
                              i, model.vocab_size));
  }
  return absl::OkStatus();
}

int32_t ContextLength(const ServedModel& model, const core::Engine& engine) {
  const int32_t served = engine.Status().context_tokens();
  return served > 0 ? std::min(served, model.context_length) : model.context_length;
}

// As SetThoughts. An answer of a given form has no thoughts.
absl::Status SetThoughtsChannel(const ServedModel& model, const GenerationFields& fields,
                                CompletionSpec* spec) {
  const std::optional<int32_t>& max_thoughts = fields.sampling.max_thinking_tokens;
  if (fields.grammar != nullptr || !max_thoughts) return absl::OkStatus();
  const text::HarmonyMarks& marks = *model.harmony;
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> head,
                      text::ChannelHead(*model.tokenizer, marks, text::kThoughtsChannel));
  v1::SamplingParams& sampling = spec->sampling;
  const bool is_opened = text::EndsWithinMessage(spec->prompt_tokens, marks, head);
  if (!is_opened && !fields.begins_turn) return absl::OkStatus();
  sampling.set_thoughts_opened(is_opened);
  sampling.mutable_thoughts_begin_tokens()->Add(head.begin(), head.end());
  sampling.set_thoughts_recur(true);
  // The other marks end a message, too, where the model leaves its end out.
  for (const int32_t mark :
       {marks.end, marks.start, marks.channel, marks.message, marks.call, marks.last}) {
    sampling.add_thoughts_end_tokens(mark);
  }
  sampling.set_max_thought_tokens(*max_thoughts);
  return absl::OkStatus();
}

// Thoughts come before an answer of a given form, and are of a limited length: those that the
// prompt has opened, and in a chat those that the model begins by itself. Before a form only where
// it is known to: any other answer begins with them or not.
void SetThoughts(const ServedModel& model, const GenerationFields& fields, CompletionSpec* spec) {
  const std::optional<int32_t>& max_thoughts = fields.sampling.max_thinking_tokens;
  if (!model.reasoning || (fields.grammar == nullptr && !max_thoughts)) return;
  const text::PromptThoughts at_end =
      text::ThoughtsAtEnd(*model.tokenizer, *model.reasoning, spec->prompt_tokens);
  if (at_end == text::PromptThoughts::kClosed) return;
  if (at_end == text::PromptThoughts::kNone) {
    const bool may_begin = model.opens_thoughts || fields.grammar == nullptr;
    if (!may_begin || !fields.begins_turn) return;
    spec->sampling.add_thoughts_begin_tokens(model.reasoning->begin);
  } else {
    spec->sampling.set_thoughts_opened(true);
  }
  spec->sampling.add_thoughts_end_tokens(model.reasoning->end);
  spec->sampling.set_max_thought_tokens(max_thoughts.value_or(0));
}

// How the answer ends: an answer of a given form by the model's end tokens where the form is whole,
// whatever the request says of them.
void SetEnding(const ServedModel& model, const GenerationFields& fields, CompletionSpec* spec) {
  SamplingFields sampling = fields.sampling;
  sampling.ignore_eos = sampling.ignore_eos && fields.grammar == nullptr;
  spec->stop_token_ids = EndingTokens(model, sampling);
  spec->grammar = fields.grammar;
  if (fields.grammar != nullptr) {
    // Rows of the model beyond its tokens come under no grammar.
    spec->sampling.clear_ending_tokens();
    for (const int32_t token : spec->stop_token_ids) {
      if (token < model.tokenizer->vocab_size()) spec->sampling.add_ending_tokens(token);
    }
  }
}

absl::Status CheckMaxLogprobs(const ServedModel& model, std::string_view name,
                              const std::optional<int32_t>& likeliest) {
  if (!likeliest || model.max_logprobs == core::kFullVocabulary) return absl::OkStatus();
  if (*likeliest != core::kFullVocabulary && *likeliest <= model.max_logprobs) {
    return absl::OkStatus();
  }
  return ParamError(name,
                    fmt::format("'{}' must be between 0 and {} tokens: the server gives no more "
                                "(--max-logprobs)",
                                name, model.max_logprobs));
}

// The more of two numbers of likeliest tokens; unset is less than none.
std::optional<int32_t> MoreOf(const std::optional<int32_t>& a, const std::optional<int32_t>& b) {
  const bool is_full = a == core::kFullVocabulary || b == core::kFullVocabulary;
  return is_full ? core::kFullVocabulary : std::max(a, b);
}

absl::StatusOr<CompletionSpec> BuildSpec(const ServedModel& model, int32_t context_length,
                                         const GenerationFields& fields,
                                         std::vector<int32_t> prompt_tokens) {
  const auto num_prompt_tokens = int64_t(prompt_tokens.size());
  if (num_prompt_tokens == 0) return ParamError(fields.prompt_field, "the prompt is empty");
  const int64_t room = context_length - num_prompt_tokens;
  if (room < 1) {
    return ParamError(
        fields.prompt_field,
        fmt::format(
            "the prompt has {} tokens, and the context of {} tokens must hold it and an answer",
            num_prompt_tokens, context_length),
        kContextLengthExceeded);
  }
  if (fields.max_tokens && *fields.max_tokens > room) {
    return ParamError(fields.max_tokens_field,
                      fmt::format("'{}' is {}, and a prompt of {} tokens leaves {} of the context "
                                  "of {} tokens",
                                  fields.max_tokens_field, *fields.max_tokens, num_prompt_tokens,
                                  room, context_length),
                      kContextLengthExceeded);
  }
  if (fields.sampling.min_tokens && fields.max_tokens &&
      *fields.sampling.min_tokens > *fields.max_tokens) {
    return ParamError("min_tokens",
                      fmt::format("'min_tokens' must be at most '{}'", fields.max_tokens_field));
  }
  const LogprobFields& logprobs = fields.logprobs;
  SY_RETURN_IF_ERROR(CheckMaxLogprobs(model, logprobs.answer_field, logprobs.answer));
  SY_RETURN_IF_ERROR(CheckMaxLogprobs(model, "prompt_logprobs", logprobs.prompt));
  CompletionSpec spec;
  spec.prompt_tokens = std::move(prompt_tokens);
  spec.prompt_field = fields.prompt_field;
  spec.logprobs_field = logprobs.answer_field;
  spec.max_tokens_field = fields.max_tokens_field;
  spec.max_tokens = fields.max_tokens.value_or(int32_t(room));
  spec.is_prompt_only = spec.max_tokens == 0;
  if (spec.is_prompt_only) spec.max_tokens = 1;  // a step ends with a token
  SY_ASSIGN_OR_RETURN(spec.sampling, MakeSampling(model, fields.sampling));
  if (fields.logprobs.answer) {
    spec.sampling.set_top_logprobs(*fields.logprobs.answer);
  } else if (fields.best_of > fields.n) {
    spec.sampling.set_top_logprobs(0);  // what the best are chosen by
  }
  // An echo has as many as the answer; each of the two takes what it shows.
  const std::optional<int32_t> of_echo = fields.echo ? fields.logprobs.answer : std::nullopt;
  const std::optional<int32_t> of_prompt = MoreOf(of_echo, fields.logprobs.prompt);
  if (of_prompt) spec.sampling.set_prompt_logprobs(*of_prompt);
  spec.form.stop = fields.stop;
  spec.form.include_stop = fields.include_stop;
  spec.form.min_tokens = fields.sampling.min_tokens.value_or(0);
  spec.form.skip_special = fields.skip_special;
  spec.scheduling = fields.scheduling;
  SetEnding(model, fields, &spec);
  if (model.harmony) {
    SY_RETURN_IF_ERROR(SetThoughtsChannel(model, fields, &spec));
  } else {
    SetThoughts(model, fields, &spec);
  }
  return spec;
}

}  // namespace switchyard::gateway
