#include "coordinator/gateway/answer_start.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace switchyard::gateway {
namespace {

// The first choice's sink, which lets the others start once its prompt is computed.
class Leader final : public CompletionSink {
 public:
  Leader(std::shared_ptr<CompletionSink> sink, std::function<void()> start_others)
      : sink_(std::move(sink)), start_others_(std::move(start_others)) {}

  void OnDelta(CompletionDelta delta) override {
    StartOthers();
    sink_->OnDelta(std::move(delta));
  }
  void OnEnd(const CompletionEnd& end) override {
    if (end.status.ok()) StartOthers();
    sink_->OnEnd(end);
  }

 private:
  void StartOthers() {
    if (const auto start = std::exchange(start_others_, nullptr)) start();
  }

  const std::shared_ptr<CompletionSink> sink_;
  std::function<void()> start_others_;  // null: they have started
};

// False if it could not start: the answer is over.
bool StartChoice(CompletionContext& context, CompletionSpec spec, int choice,
                 std::shared_ptr<CompletionSink> sink, Answer& answer) {
  spec.sampling.set_choice(choice);
  const auto completion = Completion::Start(context, std::move(spec), std::move(sink));
  if (completion.ok()) {
    answer.Add(*completion);
  } else {
    answer.Fail(completion.status());
  }
  return completion.ok();
}

// Log probabilities of prompts, their own tokens' and the likeliest, that take some 10 ms to write.
constexpr int64_t kManyOfPrompts = 1 << 14;

// Of the answer as a whole: whichever of its choices ends last may write all that it has of them.
bool IsSlow(const AnswerShape& shape, const std::vector<CompletionSpec>& specs) {
  int64_t num_of_prompts = 0;
  for (const CompletionSpec& spec : specs) {
    const v1::SamplingParams& sampling = spec.sampling;
    if (sampling.top_logprobs() == core::kFullVocabulary) return true;
    if (sampling.prompt_logprobs() == core::kFullVocabulary) return true;
    if (!sampling.has_prompt_logprobs()) continue;
    num_of_prompts += std::ssize(spec.prompt_tokens) * (1 + sampling.prompt_logprobs()) *
                      (shape.prompt_once ? 1 : shape.best_of);
  }
  return num_of_prompts > kManyOfPrompts;
}

}  // namespace

AnswerShape ShapeOf(const GenerationFields& fields, const std::vector<CompletionSpec>& specs,
                    const LogprobForm& form) {
  return {.num_prompts = static_cast<int>(specs.size()),
          .n = fields.n,
          .best_of = fields.best_of,
          .prompt_once = form.prompt_once};
}

void SetShown(const GenerationFields& fields, const std::vector<CompletionSpec>& specs,
              std::vector<std::string> echoes, AnswerHead* head) {
  head->logprobs = fields.logprobs.answer;
  head->prompt_logprobs = fields.logprobs.prompt;
  head->skip_special = fields.skip_special;
  head->prompts.resize(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!echoes.empty()) head->prompts[i].echo = std::move(echoes[i]);
    if (specs[i].sampling.has_prompt_logprobs()) head->prompts[i].tokens = specs[i].prompt_tokens;
  }
}

absl::StatusOr<LogprobRoom> TakeLogprobRoom(CompletionContext& context,
                                            const GenerationFields& fields,
                                            const std::vector<CompletionSpec>& specs,
                                            const LogprobForm& form) {
  const LogprobFields& logprobs = fields.logprobs;
  const int64_t bytes_of_full = context.model->vocab_size * form.bytes_each;
  int64_t full_bytes = 0, likeliest_bytes = 0;
  const auto add_prompt = [&](std::optional<int32_t> likeliest, int64_t num_tokens) {
    if (likeliest == core::kFullVocabulary) {
      full_bytes += num_tokens * bytes_of_full;
    } else if (likeliest) {  // and the token itself
      likeliest_bytes += num_tokens * (1 + *likeliest) * form.bytes_per_likeliest;
    }
  };
  for (const CompletionSpec& spec : specs) {
    const int64_t num_scored = std::ssize(spec.prompt_tokens) - 1;
    add_prompt(logprobs.prompt, num_scored * (form.prompt_once ? 1 : fields.best_of));
    if (fields.echo) add_prompt(logprobs.answer, num_scored * fields.best_of);
    if (logprobs.answer == core::kFullVocabulary) {
      full_bytes += int64_t{spec.max_tokens} * fields.best_of * bytes_of_full;
    }
  }
  LogprobRoom room = {.num_bytes = full_bytes + likeliest_bytes};
  const bool is_of_prompt = logprobs.prompt && logprobs.answer != core::kFullVocabulary;
  SY_ASSIGN_OR_RETURN(
      room.lease,
      context.logprob_memory.Take(
          full_bytes + std::max<int64_t>(0, likeliest_bytes - kUnleasedLikeliestBytes),
          specs[0].scheduling.tenant, is_of_prompt ? "prompt_logprobs" : logprobs.answer_field));
  return room;
}

void StartAnswer(CompletionContext& context, AnswerShape shape, std::vector<CompletionSpec> specs,
                 const std::shared_ptr<Answer>& answer) {
  const bool is_slow = IsSlow(shape, specs);
  for (CompletionSpec& spec : specs) spec.is_slow = is_slow;
  // All choices have their place in the queue as soon as the first has, or none.
  CompletionSpec first = specs[0];
  first.id = ++context.last_id;
  first.num_following = shape.num_completions() - 1;
  // Log probabilities of the prompt need all of it computed each time. With several prompts all go
  // at once: the first may end, and with it the places kept for the others, before a second begins.
  const bool shares_prompt = specs.size() == 1 && shape.best_of > 1 &&
                             !first.sampling.has_prompt_logprobs() &&
                             std::ssize(first.prompt_tokens) >= kMinSharedPromptTokens;
  const auto start_others = [&context, shape, specs = std::move(specs), answer,
                             follows = first.id] {
    for (int i = 1; i < shape.num_completions(); ++i) {
      CompletionSpec other = specs[i / shape.best_of];
      other.follows = follows;
      if (shape.prompt_once) other.sampling.clear_prompt_logprobs();
      if (StartChoice(context, std::move(other), i % shape.best_of, answer->SinkOf(i), *answer)) {
        continue;
      }
      context.engine->Cancel(follows);  // even if it has ended: no more follow
      return;
    }
  };
  std::shared_ptr<CompletionSink> sink = answer->SinkOf(0);
  if (shares_prompt) sink = std::make_shared<Leader>(std::move(sink), start_others);
  if (StartChoice(context, std::move(first), 0, std::move(sink), *answer) && !shares_prompt) {
    start_others();
  }
}

}  // namespace switchyard::gateway
