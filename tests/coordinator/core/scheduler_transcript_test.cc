// The scheduler's stories, testdata/scheduler_*.txt. Commands:
//   cluster   sizes of the cluster that the story is about
//   admit     id, prompt (number of tokens), max, stop (a token), tenant, weight, priority,
//             timeout, now: token p of request i is 100 * i + p, also the sampled ones; "like=ID"
//             gives it that request's prompt, "alike=N" only the first N tokens; "full_prompt" and
//             "full_answer" want log probabilities of the whole vocabulary for each of their tokens
//   plan      the next plan; a sequence's work is "id [begin,end) tokens -> new blocks", with
//             "sample" where it samples
//   complete  answers the plan under way; ID=TOKEN lets a request sample another token,
//             "without=ID" leaves one out, "extra=ID" adds one, "step=N" names another step
//   time      ends what has a timeout before `now`
//   cancel, fail, drain (plans and completes until idle, shows endings only), counters
#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "coordinator/core/sched/scheduler.h"
#include "tests/testing/transcript.h"

namespace switchyard::core {
namespace {

using ::switchyard::testing::RunTranscript;
using ::switchyard::testing::TranscriptCommand;

int32_t TokenOf(RequestId id, int32_t position) {
  return static_cast<int32_t>(id) * 100 + position;
}

std::string Describe(const v1::SequenceWork& work) {
  const int32_t count = work.use_last_sampled() ? 1 : work.tokens_size();
  std::string text = fmt::format("    {} [{},{})", work.sequence_id(), work.begin_position(),
                                 work.begin_position() + count);
  text += work.use_last_sampled() ? " last" : fmt::format(" {}", work.tokens(0));
  if (work.tokens_size() > 1) text += fmt::format("..{}", work.tokens(work.tokens_size() - 1));
  if (work.new_blocks_size() > 0) text += " ->";
  for (const int32_t block : work.new_blocks()) text += fmt::format(" {}", block);
  if (work.sample()) text += " sample";
  return text + "\n";
}

std::string Describe(const v1::StepPlan& plan) {
  std::string text = fmt::format("step {}\n", plan.step());
  for (const uint64_t id : plan.released()) text += fmt::format("  release {}\n", id);
  for (const v1::SequenceStart& start : plan.started()) {
    text += fmt::format("  start {} in group {}, prompt {}", start.sequence_id(), start.group(),
                        start.prompt_length());
    if (start.num_cached() > 0) text += fmt::format(", {} cached", start.num_cached());
    text += "\n";
  }
  for (int group = 0; group < plan.groups_size(); ++group) {
    text += fmt::format("  group {}\n", group);
    for (const v1::SequenceWork& work : plan.groups(group).sequences()) text += Describe(work);
  }
  return text;
}

std::string Describe(const RequestEnd& end) {
  const char* reasons[] = {"stop", "length", "error"};
  std::string text =
      fmt::format("{} ends: {}, {} + {} tokens", end.id, reasons[int(end.finish.reason)],
                  end.finish.num_prompt_tokens, end.finish.num_generated_tokens);
  if (end.finish.num_cached_tokens > 0)
    text += fmt::format(", {} cached", end.finish.num_cached_tokens);
  if (!end.finish.status.ok()) text += fmt::format(", {}", end.finish.status.ToString());
  return text + "\n";
}

class Story {
 public:
  std::string Answer(const TranscriptCommand& command) {
    if (command.name == "cluster") return Cluster(command);
    std::string answer;
    if (command.name == "admit") {
      answer = Admit(command);
    } else if (command.name == "plan") {
      answer = Plan();
    } else if (command.name == "complete") {
      answer = Complete(command);
    } else if (command.name == "cancel") {
      const auto finish = scheduler_->Cancel(command.Int("id"));
      answer = finish ? Describe(RequestEnd{.id = RequestId(command.Int("id")), .finish = *finish})
                      : "nothing to cancel";
    } else if (command.name == "time") {
      for (const RequestEnd& end :
           scheduler_->Expire(std::chrono::milliseconds(command.Int("now"))))
        answer += Describe(end);
      if (answer.empty()) answer = "nobody's time is over";
    } else if (command.name == "fail") {
      for (const RequestEnd& end : scheduler_->FailAll(absl::UnavailableError("rank 1 was lost")))
        answer += Describe(end);
    } else if (command.name == "drain") {
      answer = Drain();
    } else if (command.name == "counters") {
      answer = fmt::format("running {}, waiting {}, blocks free {} of {}, preemptions {}",
                           scheduler_->num_running(), scheduler_->num_waiting(),
                           scheduler_->num_free_blocks(), scheduler_->num_blocks(),
                           scheduler_->num_preemptions());
    } else {
      ADD_FAILURE() << "unknown command " << command.name;
    }
    if (!broken_) scheduler_->CheckIntegrity();
    return answer;
  }

 private:
  std::string Cluster(const TranscriptCommand& command) {
    scheduler_ = std::make_unique<Scheduler>(
        SchedulerConfig{.num_groups = int32_t(command.Int("groups", 1)),
                        .max_batched_tokens = int32_t(command.Int("budget", 16)),
                        .max_running = int32_t(command.Int("running", 8)),
                        .max_prompt_chunk = int32_t(command.Int("chunk", 1000)),
                        .max_waiting = int32_t(command.Int("waiting", 8)),
                        .max_under_way = int32_t(command.Int("under_way", 1)),
                        .num_blocks = int32_t(command.Int("blocks", 16)),
                        .block_tokens = int32_t(command.Int("block_tokens", 4)),
                        .max_context = int32_t(command.Int("context", 64)),
                        .vocab_size = 10000,
                        .prefix_cache = command.Int("cache", 0) != 0,
                        .max_full_logprobs = int32_t(command.Int("full", 0))});
    plans_.clear();
    broken_ = false;
    return fmt::format("{} blocks, longest sequence {} tokens", scheduler_->num_blocks(),
                       scheduler_->context_tokens());
  }

  std::string Admit(const TranscriptCommand& command) {
    NewRequest request{.id = RequestId(command.Int("id")),
                       .max_tokens = int32_t(command.Int("max", 1))};
    for (int i = 0; i < command.Int("prompt", 1); ++i)
      request.prompt_tokens.push_back(TokenOf(command.Int("like", int64_t(request.id)), i));
    for (int i = int(command.Int("alike", 0)); i < command.Int("prompt", 1) && i > 0; ++i)
      request.prompt_tokens[i] = TokenOf(request.id, i);
    request.tenant = std::to_string(command.Int("tenant", 0));
    request.weight = double(command.Int("weight", 1));
    request.priority = int32_t(command.Int("priority", 0));
    request.timeout = std::chrono::milliseconds(command.Int("timeout", 0));
    if (command.Has("full_prompt")) request.sampling.set_prompt_logprobs(kFullVocabulary);
    if (command.Has("full_answer")) request.sampling.set_top_logprobs(kFullVocabulary);
    if (command.Has("stop")) request.stop_token_ids.push_back(int32_t(command.Int("stop")));
    const absl::Status status =
        scheduler_->Admit(std::move(request), std::chrono::milliseconds(command.Int("now", 0)));
    return status.ok() ? "queued" : status.ToString();
  }

  std::string Plan() {
    if (!scheduler_->NextPlan(plan_)) return "nothing";
    plans_.push_back(plan_);
    return Describe(plans_.back());
  }

  std::string Complete(const TranscriptCommand& command) {
    const v1::StepPlan plan = plans_.empty() ? v1::StepPlan() : plans_.front();
    v1::StepResult result;
    result.set_epoch(plan.epoch());
    result.set_step(command.Int("step", int64_t(plan.step())));
    const auto add = [&](RequestId id, int32_t position) {
      v1::SampledToken* sampled = result.add_sampled();
      sampled->set_sequence_id(id);
      sampled->set_position(position);
      sampled->set_token(int32_t(command.Int(std::to_string(id), TokenOf(id, position))));
    };
    for (const v1::GroupWork& group : plan.groups()) {
      for (const v1::SequenceWork& work : group.sequences()) {
        if (!work.sample() || command.Int("without", -1) == int64_t(work.sequence_id())) continue;
        add(work.sequence_id(),
            work.begin_position() + (work.use_last_sampled() ? 1 : work.tokens_size()));
      }
    }
    if (command.Has("extra")) add(command.Int("extra"), 3);
    auto outcome = scheduler_->Complete(result, {});
    if (!outcome.ok()) {
      broken_ = outcome.status().code() == absl::StatusCode::kInternal;
      return outcome.status().ToString();
    }
    plans_.pop_front();
    std::string text;
    for (const RequestToken& token : outcome->tokens)
      text += fmt::format("{} says {}\n", token.id, token.output.token);
    for (const RequestEnd& end : outcome->finished) text += Describe(end);
    return text;
  }

  std::string Drain() {
    std::string text;
    int steps = 0;
    for (; scheduler_->HasWork() && steps < 1000; ++steps) {
      Plan();
      const std::string outcome = Complete({});
      for (size_t at = 0; at < outcome.size();) {
        const size_t end = outcome.find('\n', at) + 1;
        const std::string line = outcome.substr(at, end - at);
        if (line.find(" says ") == std::string::npos) text += line;
        at = end;
      }
      scheduler_->CheckIntegrity();
    }
    return text + fmt::format("idle after {} steps", steps);
  }

  std::unique_ptr<Scheduler> scheduler_;
  v1::StepPlan plan_;               // the last
  std::deque<v1::StepPlan> plans_;  // without a result, oldest first
  bool broken_ = false;  // after a result that was refused as untrustworthy the state means nothing
};

class SchedulerTranscript : public ::testing::TestWithParam<const char*> {};

TEST_P(SchedulerTranscript, GoesAsWritten) {
  Story story;
  RunTranscript(fmt::format("{}/tests/coordinator/core/testdata/scheduler_{}.txt",
                            SWITCHYARD_SOURCE_DIR, GetParam()),
                [&](const TranscriptCommand& command) { return story.Answer(command); });
}

INSTANTIATE_TEST_SUITE_P(Stories, SchedulerTranscript,
                         ::testing::Values("one_request", "shared_steps", "preemption", "cancel",
                                           "groups", "refusals", "wrong_results", "overlap",
                                           "prefix_cache", "chunks", "tenants", "priorities",
                                           "deadlines", "full_logprobs"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace switchyard::core
