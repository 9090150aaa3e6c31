#include "tests/integration/same_bits_requests.h"

#include <absl/strings/ascii.h>

#include <algorithm>

#include "base/check.h"
#include "base/random.h"
#include "coordinator/text/grammar/compile.h"
#include "coordinator/text/grammar/token_table.h"
#include "coordinator/text/utf8.h"
#include "tests/testing/golden.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

constexpr int32_t kMaxThoughtTokens = 9;

// One of `sides` for each ask and what is asked, as if drawn.
int RollOf(Ask ask, uint64_t what, uint64_t sides) {
  return static_cast<int>(RandomBits(RandomBits(2, what), static_cast<uint64_t>(ask)) % sides);
}
enum Wish : uint64_t { kChoice, kTypical, kBias, kBadWord, kLeast, kStop };

template <typename T>
T Checked(absl::StatusOr<T> value) {
  SY_CHECK(value.ok()) << value.status().ToString();
  return *std::move(value);
}

}  // namespace

SameBitsRequests::SameBitsRequests(const SameBitsModel& model) : model_(model) {
  for (GoldenCase& recorded : ReadGoldenCases(folder())) {
    std::vector<int32_t> answer = std::move(recorded.greedy_tokens);
    if (IsEnd(answer.back())) answer.pop_back();
    prompts_.push_back({.id = std::move(recorded.id),
                        .tokens = std::move(recorded.prompt_tokens),
                        .answer = std::move(answer)});
  }
  tokenizer_ = Checked(text::Tokenizer::FromFiles(folder()));
  tokens_ = text::grammar::MakeTokenTable(*tokenizer_);
  schema_ = {{"type", "object"},
             {"properties",
              {{"kind", {{"enum", {"answer", "question"}}}},
               {"sure", {{"type", "boolean"}}},
               {"text", {{"type", "string"}, {"maxLength", 24}}}}},
             {"required", {"kind", "text"}},
             {"additionalProperties", false}};
  grammar_ =
      std::make_shared<const v1::Grammar>(Checked(text::grammar::CompileJsonSchema(schema_)));
  if (!model_.thinks) return;
  thoughts_begin_ = tokenizer_->TokenToId("<think>").value();
  thoughts_end_ = tokenizer_->TokenToId("</think>").value();
}

std::string SameBitsRequests::folder() const { return worker::BundledModel(model_.name); }

bool SameBitsRequests::IsEnd(int32_t token) const {
  return std::ranges::count(model_.end_tokens, token) > 0;
}

bool SameBitsRequests::Ends(Ask ask, int32_t token) const {
  return std::ranges::count(Make(ask).stop_token_ids, token) > 0;
}

v1::SamplingParams SameBitsRequests::SamplingOf(Ask ask) const {
  const auto bits = RandomBits(1, static_cast<uint64_t>(ask));
  v1::SamplingParams sampling;
  sampling.set_top_logprobs(kNumTop);
  sampling.set_seed(static_cast<uint64_t>(1000 + ask));
  sampling.mutable_ending_tokens()->Assign(model_.end_tokens.begin(), model_.end_tokens.end());
  sampling.set_top_p(1);
  const Way way = WayOf(ask);
  if (way == Way::kGreedy) return sampling;
  if (way == Way::kContinued && bits % 2 == 0) {
    AddWishes(ask, &sampling);
    return sampling;
  }
  sampling.set_temperature(0.75f + 0.25f * static_cast<float>(bits % 3));
  if ((bits >> 8) % 2 == 0) sampling.set_top_p(0.875f);
  if ((bits >> 9) % 3 == 0) sampling.set_top_k(20);
  if ((bits >> 13) % 3 == 0) sampling.set_min_p(0.03125f);
  if ((bits >> 17) % 3 == 0) sampling.set_repetition_penalty(1.25f);
  if ((bits >> 21) % 3 == 0) sampling.set_frequency_penalty(0.5f);
  if ((bits >> 25) % 3 == 0) sampling.set_presence_penalty(0.25f);
  if (RollOf(ask, kTypical, 4) == 0) sampling.set_typical_p(0.75f);
  if (RollOf(ask, kChoice, 4) == 0) sampling.set_choice(1 + RollOf(ask, kChoice, 8) / 4);
  AddWishes(ask, &sampling);
  return sampling;
}

void SameBitsRequests::AddWishes(Ask ask, v1::SamplingParams* sampling) const {
  const std::vector<int32_t>& answer = PromptOf(ask).answer;
  if (RollOf(ask, kBias, 4) == 0) {
    for (size_t i = 0; i < std::min<size_t>(answer.size(), 6); i += 2) {
      const int32_t token = answer[i];
      if (std::ranges::any_of(sampling->logit_bias(),
                              [&](const v1::LogitBias& bias) { return bias.token() == token; })) {
        continue;
      }
      v1::LogitBias* bias = sampling->add_logit_bias();
      bias->set_token(token);
      bias->set_bias(i == 0 ? -100.0f : 1.5f);
    }
  }
  if (const std::string word = BadWordOf(ask); !word.empty()) {
    for (const char* before : {"", " "}) {  // as the API has it
      const auto tokens = Checked(
          tokenizer_->Encode(before + word, {.parse_special = false, .add_special_tokens = false}));
      sampling->add_bad_words()->mutable_tokens()->Assign(tokens.begin(), tokens.end());
    }
  }
  if (RollOf(ask, kLeast, 3) == 0) sampling->set_min_tokens(2 + RollOf(ask, kLeast, 30) / 3);
  for (const int32_t token : StopsOf(ask)) sampling->add_ending_tokens(token);
}

std::string SameBitsRequests::BadWordOf(Ask ask) const {
  const std::vector<int32_t>& answer = PromptOf(ask).answer;
  if (RollOf(ask, kBadWord, 4) != 0 || answer.size() < 3) return "";
  const std::string text = tokenizer_->Decode(std::span(answer).subspan(1, 2), true);
  if (!text::IsValidUtf8(text)) return "";
  return std::string(absl::StripLeadingAsciiWhitespace(text));
}

std::vector<int32_t> SameBitsRequests::StopsOf(Ask ask) const {
  const std::vector<int32_t>& answer = PromptOf(ask).answer;
  const Way way = WayOf(ask);
  if (way != Way::kSeeded && way != Way::kContinued) return {};
  if (RollOf(ask, kStop, 4) != 0 || answer.empty()) return {};
  return {answer.back(), answer[answer.size() / 2]};
}

core::NewRequest SameBitsRequests::Make(Ask ask) const {
  const Prompt& prompt = PromptOf(ask);
  core::NewRequest request{.prompt_tokens = prompt.tokens, .max_tokens = kMaxTokens};
  request.sampling = SamplingOf(ask);
  request.stop_token_ids = StopsOf(ask);
  request.stop_token_ids.insert(request.stop_token_ids.end(), model_.end_tokens.begin(),
                                model_.end_tokens.end());
  const Way way = WayOf(ask);
  SY_CHECK(model_.thinks || way != Way::kThinking);
  if (way == Way::kContinued) {
    const auto part = static_cast<std::ptrdiff_t>(prompt.answer.size() / 2);
    request.prompt_tokens.insert(request.prompt_tokens.end(), prompt.answer.begin(),
                                 prompt.answer.begin() + part);
    request.sampling.set_prompt_logprobs(1);
  }
  if (way == Way::kFormed || way == Way::kThinking) {
    request.max_tokens = kMaxFormTokens;
    request.grammar = grammar_;
  }
  // A form begins behind thoughts where the prompt has opened them; the API does that, too.
  const bool thinks =
      model_.thinks && std::count(prompt.tokens.begin(), prompt.tokens.end(), thoughts_begin_) > 0;
  if (way == Way::kThinking || (way == Way::kFormed && thinks)) {
    request.sampling.set_thoughts_opened(true);
    request.sampling.add_thoughts_end_tokens(thoughts_end_);
  }
  if (way == Way::kThinking) request.sampling.set_max_thought_tokens(kMaxThoughtTokens);
  return request;
}

std::string SameBitsRequests::MakeBody(Ask ask, const Json& more) const {
  SY_CHECK(WayOf(ask) != Way::kThinking);
  const core::NewRequest request = Make(ask);
  const v1::SamplingParams& sampling = request.sampling;
  Json body = {{"prompt", request.prompt_tokens},
               {"max_tokens", request.max_tokens},
               {"logprobs", sampling.top_logprobs()},
               {"seed", sampling.seed()},
               {"temperature", sampling.temperature()},
               {"top_p", sampling.top_p()},
               {"top_k", sampling.top_k()},
               {"min_p", sampling.min_p()},
               {"frequency_penalty", sampling.frequency_penalty()},
               {"presence_penalty", sampling.presence_penalty()}};
  if (sampling.repetition_penalty() != 0) {
    body["repetition_penalty"] = sampling.repetition_penalty();
  }
  if (sampling.typical_p() != 0) body["typical_p"] = sampling.typical_p();
  if (sampling.min_tokens() > 0) body["min_tokens"] = sampling.min_tokens();
  for (const v1::LogitBias& bias : sampling.logit_bias()) {
    body["logit_bias"][std::to_string(bias.token())] = bias.bias();
  }
  if (sampling.bad_words_size() > 0) body["bad_words"] = {BadWordOf(ask)};
  if (!StopsOf(ask).empty()) body["stop_token_ids"] = StopsOf(ask);
  if (request.grammar != nullptr) {
    body["response_format"] = {{"type", "json_schema"},
                               {"json_schema", {{"name", "form"}, {"schema", schema_}}}};
  }
  body.update(more);
  return body.dump();
}

Json SameBitsRequests::MoreOf(Ask ask) const {
  const v1::SamplingParams sampling = Make(ask).sampling;
  Json more = {{"n", sampling.choice() + 1}};
  if (!sampling.has_prompt_logprobs()) return more;
  if (ask % 2 == 0) {
    more["prompt_logprobs"] = sampling.prompt_logprobs();
  } else {
    more["echo"] = true;
  }
  return more;
}

std::string SameBitsRequests::Name(Ask ask) const {
  constexpr const char* kNames[] = {"greedy", "seeded", "continued", "formed", "thinking"};
  return fmt::format("{} {} {}", model_.name, prompts_[static_cast<size_t>(ask / kNumWays)].id,
                     kNames[ask % kNumWays]);
}

const ScheduledAnswer& AnswersAlone::Get(v1::ComputeMode compute, Ask ask) {
  std::unique_ptr<ScheduleRunner>& runner = runners_[compute];
  if (runner == nullptr) {
    runner = Checked(ScheduleRunner::Create({.model_path = requests_.folder(),
                                             .compute = compute,
                                             .max_batched_tokens = 1024,
                                             .max_running = 1,
                                             .num_kv_blocks = 64,
                                             .tokens = requests_.tokens(),
                                             .num_threads = 1,
                                             .backend = "cpu"},
                                            {.max_under_way = 1, .prefix_cache = false}));
  }
  const auto id = static_cast<core::RequestId>(ask) + 1;
  if (runner->answers().count(id) == 0) {
    core::NewRequest request = requests_.Make(ask);
    request.id = id;
    absl::Status status = runner->Admit(std::move(request));
    status.Update(runner->Finish());
    SY_CHECK(status.ok()) << requests_.Name(ask) << ": " << status.ToString();
  }
  return runner->answers().at(id);
}

}  // namespace switchyard::testing
