#include "tests/testing/schedule_runner.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/random.h"

namespace switchyard::testing {
namespace {

bool SameFloat(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

bool SameTop(const std::vector<core::TokenLogprob>& a, const std::vector<core::TokenLogprob>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.token == y.token && SameFloat(x.logprob, y.logprob);
  });
}

bool IsSame(const core::TokenOutput& a, const core::TokenOutput& b) {
  return a.token == b.token && SameFloat(a.logprob, b.logprob) && SameTop(a.top, b.top);
}

bool IsSame(const core::PromptTokenOutput& a, const core::PromptTokenOutput& b) {
  return a.position == b.position && SameFloat(a.logprob, b.logprob) && SameTop(a.top, b.top);
}

std::string Format(const core::TokenOutput& output) {
  return fmt::format("{} ({})", output.token, output.logprob);
}

std::string Format(const core::PromptTokenOutput& output) {
  return fmt::format("({})", output.logprob);
}

template <typename Output>
std::string Difference(const char* name, const std::vector<Output>& got,
                       const std::vector<Output>& want, bool is_whole) {
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    if (IsSame(got[i], want[i])) continue;
    return fmt::format("{} {} is {}, not {}", name, i, Format(got[i]), Format(want[i]));
  }
  if (got.size() == want.size() || (!is_whole && got.size() < want.size())) return {};
  return fmt::format("{} {}s, not {}", got.size(), name, want.size());
}

}  // namespace

std::string FirstDifference(const ScheduledAnswer& got, const ScheduledAnswer& want) {
  std::string difference =
      Difference("prompt token", got.prompt_tokens, want.prompt_tokens, got.is_finished);
  if (!difference.empty()) return difference;
  return Difference("token", got.tokens, want.tokens, got.is_finished);
}

absl::StatusOr<std::unique_ptr<ScheduleRunner>> ScheduleRunner::Create(
    cli::LocalEngineOptions engine_options, const core::SchedulerConfig::Limits& limits) {
  engine_options.one_kv_kind = false;
  SY_ASSIGN_OR_RETURN(auto engine, cli::LocalEngine::Create(engine_options));
  return std::unique_ptr<ScheduleRunner>(new ScheduleRunner(std::move(engine), limits));
}

absl::Status ScheduleRunner::Admit(core::NewRequest request) {
  answers_.try_emplace(request.id);
  return scheduler_.Admit(std::move(request));
}

void ScheduleRunner::Cancel(core::RequestId id) {
  scheduler_.Cancel(id);
  scheduler_.CheckIntegrity();
}

absl::StatusOr<bool> ScheduleRunner::RunPlan() {
  if (!scheduler_.NextPlan(plan_)) return false;
  for (const v1::SequenceStart& start : plan_.started()) {
    if (started_.insert(start.sequence_id()).second) continue;
    ScheduledAnswer& answer = answers_[start.sequence_id()];
    answer.restarted_at.insert(static_cast<int32_t>(answer.tokens.size()));
  }
  SY_ASSIGN_OR_RETURN(v1::StepResult result, engine_->RunStep(plan_));
  // Drafts pay now and then, whatever the machine does: the same calls give the same plans.
  result.mutable_timings()->set_total_us(
      static_cast<uint32_t>((1 + RandomBits(/*key=*/1, plan_.step()) % 3) *
                            static_cast<uint64_t>(1 + plan_.num_drafts())));
  results_.push_back(std::move(result));
  return true;
}

absl::Status ScheduleRunner::TakeResult() {
  num_drafted_ += results_.front().num_drafted();
  num_accepted_ += results_.front().num_accepted();
  const std::chrono::microseconds period(results_.front().timings().total_us());
  SY_ASSIGN_OR_RETURN(core::StepOutcome outcome, scheduler_.Complete(results_.front(), period));
  results_.pop_front();
  scheduler_.CheckIntegrity();
  for (core::RequestPromptToken& token : outcome.prompt_tokens) {
    answers_[token.id].prompt_tokens.push_back(std::move(token.output));
  }
  num_tokens_ += std::ssize(outcome.tokens);
  for (core::RequestToken& token : outcome.tokens) {
    answers_[token.id].tokens.push_back(std::move(token.output));
  }
  for (const core::RequestEnd& end : outcome.finished) {
    answers_[end.id].num_cached = end.finish.num_cached_tokens;
    answers_[end.id].is_finished = true;
  }
  return absl::OkStatus();
}

absl::Status ScheduleRunner::Step() {
  for (bool planned = true; planned;) {
    SY_ASSIGN_OR_RETURN(planned, RunPlan());
  }
  if (!has_result()) return absl::InternalError("requests wait, and no plan comes");
  return TakeResult();
}

absl::Status ScheduleRunner::Finish(int max_steps) {
  for (int step = 0; scheduler_.HasWork() || has_result(); ++step) {
    if (step == max_steps) return absl::InternalError("it does not come to an end");
    SY_RETURN_IF_ERROR(Step());
  }
  return absl::OkStatus();
}

}  // namespace switchyard::testing
