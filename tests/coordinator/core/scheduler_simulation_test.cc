// Thousands of requests with random lengths, common beginnings, tenants (old and new), salts,
// priorities, stops, timeouts, cancels and losses of all through clusters whose cache is too small
// for them, from a seed: each answer must be the one that the request would have got alone, and a
// prefix comes from requests of the same tenant and salt. SWITCHYARD_SIMULATION_EVENTS
// (./test.sh --simulation-events) sets how many events each of the runs has.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>

#include "coordinator/core/sched/scheduler.h"
#include "tests/coordinator/core/plan_executor.h"

namespace switchyard::core {
namespace {

struct Cluster {
  const char* name;
  int32_t num_groups;
  int32_t max_batched_tokens;
  int32_t max_running;
  int32_t num_blocks;
  int32_t block_tokens;
  int32_t max_under_way = 1;
  bool prefix_cache = true;
  int32_t max_drafts = 0;
  int32_t max_forced = 0;
  int32_t window = 0;  // of some layers, whose blocks are a kind of their own; 0: one kind

  // As many as core/plan/kv_kinds gives.
  int32_t num_window_blocks() const {
    if (window == 0) return 0;
    const int64_t seen = window - 1 + 4 * std::max(max_drafts, max_forced);
    return int32_t(std::min<int64_t>(num_blocks, max_running * (CeilDiv(seen, block_tokens) + 2) +
                                                     CeilDiv(max_batched_tokens, block_tokens)));
  }
};

void PrintTo(const Cluster& cluster, std::ostream* out) { *out << cluster.name; }

// Whose prefixes a request may find.
struct Owner {
  std::string tenant;
  std::string salt;
  auto operator<=>(const Owner&) const = default;
};

// What a request should say, and what it has said.
struct Expectation {
  std::vector<int32_t> prompt;
  std::vector<int32_t> answer;
  FinishReason reason = FinishReason::kLength;
  std::vector<int32_t> said;
  std::vector<float> scores;  // of the prompt's tokens, where they are asked for
  std::vector<float> scored;
  bool full_prompt = false;  // log probabilities of the whole vocabulary are wanted
  bool full_answer = false;
  std::chrono::milliseconds deadline = std::chrono::milliseconds::max();
  int64_t admitted_at = 0;  // steps
  int32_t priority = 0;
  int64_t num_gone_before = 0;  // its tenant's that came later, with a better priority
  Owner owner;
  RequestId first = 0;  // of the choices that it is one of; 0: there are no others
};

// Choices of an answer that are still to come.
struct Following {
  int32_t num = 0;
  std::string tenant;
};

// A token costs as much again for every 20 keys that it reads.
PromptCost CostOfKeys() {
  v1::ShardPlan plan;
  v1::ModelSpec* model = plan.mutable_model();
  model->set_num_layers(1);
  model->set_num_heads(1);
  model->set_hidden_size(1);
  model->mutable_mla()->set_qk_nope_head_dim(10);
  model->mutable_mla()->set_v_head_dim(10);
  model->set_intermediate_size(127);
  return PromptCost(plan);
}

class Simulation {
 public:
  static constexpr int32_t kMaxContext = 48;
  static constexpr int32_t kMaxAnswer = 24;
  static constexpr int32_t kMaxWaiting = 20;
  static constexpr int32_t kMaxFull = 3;

  Simulation(const Cluster& cluster, uint64_t seed)
      : pool_tokens_(cluster.num_blocks * cluster.block_tokens),
        block_tokens_(cluster.block_tokens),
        random_(seed),
        tells_history_(cluster.max_drafts > 0 && Random(0, 1) == 0),
        scheduler_(
            {.num_groups = cluster.num_groups,
             .max_batched_tokens = cluster.max_batched_tokens,
             .max_running = cluster.max_running,
             .max_prompt_chunk = int32_t(Random(0, 1) * Random(3, cluster.max_batched_tokens)),
             .max_stretch = 2,
             .max_waiting = kMaxWaiting,
             .max_under_way = cluster.max_under_way,
             .num_blocks = cluster.num_blocks,
             .block_tokens = cluster.block_tokens,
             .windows = {.num_blocks = cluster.num_window_blocks(), .window = cluster.window},
             .max_context = kMaxContext,
             .vocab_size = PlanExecutor::kVocabSize,
             .prefix_cache = cluster.prefix_cache,
             .max_drafts = cluster.max_drafts,
             .max_forced = cluster.max_forced,
             .drafts_from_history = tells_history_,
             .max_full_logprobs = kMaxFull,
             .prompt_cost = CostOfKeys()}),
        workers_({.num_groups = cluster.num_groups,
                  .num_blocks = cluster.num_blocks,
                  .block_tokens = cluster.block_tokens,
                  .max_batched_tokens = cluster.max_batched_tokens,
                  .max_running = cluster.max_running,
                  .max_drafts = cluster.max_drafts,
                  .max_forced = cluster.max_forced,
                  .max_full_logprobs = kMaxFull,
                  .tells_history = tells_history_,
                  .num_window_blocks = cluster.num_window_blocks(),
                  .window = cluster.window}) {}

  // `calm`: nobody leaves, nothing is lost and no time passes, so that all that is asked for waits
  // until it is served. Nor does anybody ask for whole vocabularies, whose price is their part of
  // what a step reports: who paid that waits until others were given as much.
  void Run(int num_events, bool calm = false) {
    calm_ = calm;
    for (int event = 0; event < num_events && !::testing::Test::HasFailure(); ++event) {
      const int64_t kind = Random(0, 99);
      if (kind < 30) {
        Submit();
      } else if (calm) {
        Step();
      } else if (kind < 34) {
        CancelOne();
      } else if (kind < 35) {
        CancelNone();
      } else if (kind < 40) {
        PassTime();
      } else if (kind == 40 && Random(0, 19) == 0) {
        LoseAll();
      } else {
        Step();
      }
      scheduler_.CheckIntegrity();
    }
    for (int step = 0; scheduler_.HasWork() || scheduler_.plan_under_way(); ++step) {
      ASSERT_LT(step, 10000) << "does not come to an end";
      ASSERT_FALSE(::testing::Test::HasFailure());
      Step();
      scheduler_.CheckIntegrity();
    }
    EXPECT_TRUE(open_.empty()) << open_.size() << " requests never ended";
    for (const auto& [first, following] : following_) scheduler_.Cancel(first);
    EXPECT_EQ(scheduler_.num_kept_places(), 0);
    EXPECT_EQ(scheduler_.num_free_blocks(), scheduler_.num_blocks());
    EXPECT_EQ(scheduler_.num_running() + scheduler_.num_waiting(), 0);
  }

  // Everything that was decided, in order.
  const std::string& log() const { return log_; }
  int num_finished() const { return num_finished_; }
  int num_refused() const { return num_refused_; }
  int num_expired() const { return num_expired_; }
  int num_crowded_out() const { return num_crowded_out_; }
  int num_choices_crowded_out() const { return num_choices_crowded_out_; }
  int num_lost() const { return num_lost_; }
  int num_places_taken_back() const { return num_places_taken_back_; }
  const Scheduler& scheduler() const { return scheduler_; }
  const PlanExecutor& workers() const { return workers_; }

 private:
  int64_t Random(int64_t low, int64_t high) {
    return low + int64_t(random_() % uint64_t(high - low + 1));
  }

  // Prompts begin alike: as one of a few texts, or as an earlier prompt and its answer. What was an
  // answer there is prompt here, and must not be taken for the same.
  std::vector<int32_t> MakePrompt(bool goes_on) {
    std::vector<int32_t> prompt;
    if (goes_on) {
      prompt = conversation_;
    } else if (Random(0, 2) < 2) {
      const int64_t text = Random(0, 2);
      for (int64_t i = Random(0, 20); i > 0; --i) {
        prompt.push_back(int32_t((text * 7 + std::ssize(prompt) * 3) % PlanExecutor::kVocabSize));
      }
    }
    for (int64_t i = Random(1, Random(0, 3) == 0 ? kMaxContext - 1 : 8); i > 0; --i) {
      prompt.push_back(int32_t(Random(0, PlanExecutor::kVocabSize - 1)));
    }
    if (std::ssize(prompt) >= kMaxContext) prompt.resize(kMaxContext - 1);
    return prompt;
  }

  void Submit() {
    const RequestId id = next_id_++;
    const int32_t max_tokens = int32_t(Random(1, kMaxAnswer));
    const bool goes_on = Random(0, 3) == 0;
    Expectation expected{.prompt = MakePrompt(goes_on)};
    expected.admitted_at = num_steps_;
    const int32_t prompt_length = int32_t(expected.prompt.size());
    NewRequest request{.id = id, .prompt_tokens = expected.prompt, .max_tokens = max_tokens};
    request.tenant =
        Random(0, 14) == 0 ? fmt::format("new{}", id) : std::string(1, char('a' + Random(0, 2)));
    if (Random(0, 14) == 0) request.cache_salt = "salt";
    if (goes_on && Random(0, 4) > 0) {
      request.tenant = talker_.tenant;
      request.cache_salt = talker_.salt;
    }
    const bool kept = JoinAnswer(request);
    if (kept || request.num_following > 0) expected.first = kept ? request.follows : id;
    expected.owner = {.tenant = request.tenant, .salt = request.cache_salt};
    request.weight = double(Random(1, 4)) / 2;
    request.priority = int32_t(Random(-1, 1));
    expected.priority = request.priority;
    if (Random(0, 2) == 0) request.sampling.set_repetition_penalty(1.5f);
    if (Random(0, 5) == 0) {
      expected.full_prompt = !calm_ && Random(0, 2) == 0;
      request.sampling.set_prompt_logprobs(expected.full_prompt ? kFullVocabulary : 0);
      expected.scores = PlanExecutor::ScoresOf(expected.prompt);
    }
    expected.full_answer = !calm_ && Random(0, 19) == 0;
    if (expected.full_answer) request.sampling.set_top_logprobs(kFullVocabulary);
    request.drafts = Random(0, 4) > 0;
    if (Random(0, 4) == 0) request.grammar = std::make_shared<v1::Grammar>();
    if (Random(0, 9) == 0) {
      request.timeout = std::chrono::milliseconds(Random(1, 400));
      expected.deadline = now_ + request.timeout;
    }
    const int32_t end = std::min(prompt_length + max_tokens, kMaxContext);
    expected.answer = PlanExecutor::AnswerTo(expected.prompt, end - prompt_length);
    if (Random(0, 3) == 0) {
      request.stop_token_ids = {expected.answer[Random(0, int64_t(expected.answer.size()) - 1)]};
      const auto stop =
          std::find(expected.answer.begin(), expected.answer.end(), request.stop_token_ids.front());
      expected.answer.erase(stop + 1, expected.answer.end());
      expected.reason = FinishReason::kStop;
    }
    const bool fits = end - 1 <= pool_tokens_;  // the last token of an answer is never cached
    MakePlace(request);
    const bool room =
        scheduler_.num_waiting() + scheduler_.num_kept_places() + request.num_following <
        kMaxWaiting;
    const Following following{.num = request.num_following, .tenant = request.tenant};
    const RequestId follows = request.follows;
    const absl::Status status = scheduler_.Admit(std::move(request), now_);
    EXPECT_EQ(status.code(), !fits            ? absl::StatusCode::kInvalidArgument
                             : !room && !kept ? absl::StatusCode::kResourceExhausted
                                              : absl::StatusCode::kOk)
        << status;
    if (!status.ok()) {
      ++num_refused_;
      return;
    }
    for (auto& [other, waiting] : open_) {
      const bool of_tenant = waiting.owner.tenant == expected.owner.tenant;
      waiting.num_gone_before += of_tenant && expected.priority < waiting.priority ? 1 : 0;
    }
    open_.emplace(id, std::move(expected));
    if (following.num > 0) following_[id] = following;
    if (kept && --following_.at(follows).num == 0) following_.erase(follows);
  }

  // The request may be one choice of an answer: the first of several, or one that follows. Whether
  // a place is kept for it.
  bool JoinAnswer(NewRequest& request) {
    if (Random(0, 9) == 0) request.num_following = int32_t(Random(1, 3));
    if (request.num_following > 0 || following_.empty() || Random(0, 1) == 0) return false;
    request.follows = following_.begin()->first;
    request.tenant = following_.begin()->second.tenant;
    return true;
  }

  void MakePlace(const NewRequest& request) {
    const int32_t num_running = scheduler_.num_running();
    std::set<RequestId> answers;
    for (const RequestEnd& end : scheduler_.MakePlace(request)) {
      EXPECT_EQ(end.finish.status.code(), absl::StatusCode::kResourceExhausted);
      EXPECT_TRUE(open_.at(end.id).said.empty()) << "request " << end.id << " had begun";
      if (const RequestId first = open_.at(end.id).first; first != 0) {
        EXPECT_FALSE(begun_.contains(first)) << "a choice beside " << end.id << " had begun";
        answers.insert(first);
        ++num_choices_crowded_out_;
      }
      following_.erase(end.id);
      open_.erase(end.id);
      ++num_crowded_out_;
    }
    for (const auto& [id, expected] : open_) {
      EXPECT_FALSE(answers.contains(expected.first)) << "request " << id << " was left behind";
    }
    EXPECT_EQ(scheduler_.num_running(), num_running);
  }

  // Its client leaves, and takes back what was to follow; or it has said all, and others follow.
  void CancelOne() {
    if (open_.empty()) return;
    auto victim = open_.begin();
    std::advance(victim, Random(0, int64_t(open_.size()) - 1));
    const bool leaves = Random(0, 2) > 0;
    const auto finish = leaves ? scheduler_.Cancel(victim->first) : scheduler_.Stop(victim->first);
    ASSERT_TRUE(finish);
    EXPECT_EQ(finish->num_generated_tokens, int32_t(victim->second.said.size()));
    if (leaves) TakeBack(victim->first);
    open_.erase(victim);
  }

  // Of an id that has ended or was never there; more may be to follow it all the same.
  void CancelNone() {
    RequestId id = RequestId(Random(0, int64_t(next_id_) + 5));
    const auto ended = std::find_if(following_.begin(), following_.end(), [&](const auto& entry) {
      return !open_.contains(entry.first);
    });
    if (ended != following_.end()) id = ended->first;
    if (open_.contains(id)) return;
    EXPECT_FALSE(scheduler_.Stop(id));
    EXPECT_FALSE(scheduler_.Cancel(id));
    TakeBack(id);
  }

  void TakeBack(RequestId first) {
    const int32_t num_kept = scheduler_.num_kept_places();
    int32_t num_following = 0;
    for (const auto& [id, following] : following_) num_following += id == first ? 0 : following.num;
    EXPECT_EQ(num_kept, num_following);
    num_places_taken_back_ += int(following_.erase(first));
  }

  // A worker was lost: all that is open ends, oldest first. The workers go on here.
  void LoseAll() {
    const absl::Status status = absl::UnavailableError("rank 1 was lost");
    const std::vector<RequestEnd> ended = scheduler_.FailAll(status);
    ASSERT_EQ(ended.size(), open_.size());
    auto oldest = open_.begin();
    for (const RequestEnd& end : ended) {
      EXPECT_EQ(end.id, oldest->first);
      EXPECT_EQ(end.finish.status, status);
      EXPECT_EQ(end.finish.num_generated_tokens, int32_t(oldest->second.said.size()));
      following_.erase(end.id);
      ++oldest;
    }
    open_.clear();
    EXPECT_FALSE(scheduler_.HasWork());
    EXPECT_EQ(scheduler_.num_free_blocks(), scheduler_.num_blocks());
    ++num_lost_;
  }

  void PassTime() {
    now_ += std::chrono::milliseconds(Random(1, 40));
    for (const RequestEnd& end : scheduler_.Expire(now_)) {
      const Expectation& expected = open_.at(end.id);
      EXPECT_EQ(end.finish.status.code(), absl::StatusCode::kDeadlineExceeded);
      EXPECT_LE(expected.deadline, now_) << "request " << end.id;
      following_.erase(end.id);
      open_.erase(end.id);
      ++num_expired_;
    }
    for (const auto& [id, expected] : open_) EXPECT_GT(expected.deadline, now_) << "request " << id;
  }

  static void ExpectFull(const FullLogprobs& full, bool is_wanted, float first) {
    ASSERT_EQ(full != nullptr, is_wanted);
    if (!is_wanted) return;
    EXPECT_EQ(full->at(0), first);
  }

  // Half a step: a plan leaves, or the oldest result comes back.
  void Step() {
    const bool waits = std::ssize(results_) == 1 && Random(0, 1) == 0;  // or its result is faster
    if (!waits && scheduler_.NextPlan(plan_)) {
      log_ += plan_.SerializeAsString();
      CheckWhoseItFinds(plan_);
      results_.push_back(workers_.Execute(plan_));
      // Drafts pay, and now and then seem not to.
      results_.back().mutable_timings()->set_total_us(Random(8, 12) * (20 + plan_.num_drafts()));
      return;
    }
    if (results_.empty()) return;
    const std::chrono::microseconds period(results_.front().timings().total_us());
    auto outcome = scheduler_.Complete(results_.front(), period);
    results_.pop_front();
    ++num_steps_;
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    for (const RequestPromptToken& token : outcome->prompt_tokens) {
      Expectation& expected = open_.at(token.id);
      expected.scored.push_back(token.output.logprob);
      EXPECT_EQ(token.output.position, int32_t(expected.scored.size()));
      EXPECT_TRUE(expected.said.empty());
      ExpectFull(token.output.full, expected.full_prompt, token.output.logprob);
    }
    for (const RequestToken& token : outcome->tokens) {
      Expectation& expected = open_.at(token.id);
      NoteComputed(expected, int32_t(expected.prompt.size() + expected.said.size()));
      expected.said.push_back(token.output.token);
      begun_.insert(expected.first);
      ExpectFull(token.output.full, expected.full_answer, -float(token.output.token));
    }
    for (const RequestEnd& end : outcome->finished) {
      const Expectation& expected = open_.at(end.id);
      EXPECT_EQ(expected.said, expected.answer) << "request " << end.id;
      EXPECT_EQ(expected.scored, expected.scores) << "request " << end.id;
      EXPECT_EQ(end.finish.reason, expected.reason) << "request " << end.id;
      EXPECT_EQ(end.finish.num_generated_tokens, int32_t(expected.answer.size()))
          << "request " << end.id;
      talker_ = expected.owner;
      conversation_ = expected.prompt;
      conversation_.insert(conversation_.end(), expected.said.begin(), expected.said.end());
      ExpectSoon(expected);
      open_.erase(end.id);
      ++num_finished_;
    }
  }

  // What waits in the queue, or goes before the request by priority, holds it up at most for as
  // long as that is overtaken, those that run end, and it runs itself, by chunks of 3 tokens.
  void ExpectSoon(const Expectation& expected) const {
    constexpr int64_t kStepsOfEach = kMaxContext + kMaxAnswer + (kMaxContext / 3 + kMaxAnswer);
    const int64_t num_before = kMaxWaiting + expected.num_gone_before;
    EXPECT_LT(num_steps_ - expected.admitted_at, kStepsOfEach * num_before)
        << "steps: a request of priority " << expected.priority << " starved";
  }

  // What is found must have been computed, in an earlier step, for the same tenant and salt.
  void CheckWhoseItFinds(const v1::StepPlan& plan) {
    for (const v1::SequenceStart& start : plan.started()) {
      const Expectation& expected = open_.at(start.sequence_id());
      if (start.num_cached() == 0) continue;
      EXPECT_TRUE(computed_[expected.owner].contains(Beginning(expected, start.num_cached())))
          << "request " << start.sequence_id() << " of " << expected.owner.tenant << " finds "
          << start.num_cached() << " tokens of somebody else";
    }
    for (const v1::GroupWork& group : plan.groups()) {
      for (const v1::SequenceWork& work : group.sequences()) {
        if (work.use_last_sampled()) continue;  // noted with the token that comes of it
        NoteComputed(open_.at(work.sequence_id()), work.begin_position() + work.tokens_size());
      }
    }
  }

  void NoteComputed(const Expectation& expected, int32_t num_tokens) {
    for (int32_t end = block_tokens_; end <= num_tokens; end += block_tokens_) {
      computed_[expected.owner].insert(Beginning(expected, end));
    }
  }

  // A number for the first tokens of prompt and answer.
  static uint64_t Beginning(const Expectation& expected, int32_t num_tokens) {
    uint64_t number = 1469598103934665603u;
    for (int32_t i = 0; i < num_tokens; ++i) {
      const auto place = size_t(i);
      const int32_t token = place < expected.prompt.size()
                                ? expected.prompt[place]
                                : expected.said.at(place - expected.prompt.size());
      number = (number ^ uint64_t(token)) * 1099511628211u;
    }
    return number;
  }

  const int32_t pool_tokens_;
  const int32_t block_tokens_;
  std::mt19937_64 random_;
  const bool tells_history_;
  Scheduler scheduler_;
  v1::StepPlan plan_;  // the last
  PlanExecutor workers_;
  std::map<RequestId, Expectation> open_;
  std::map<RequestId, Following> following_;  // by the first choice of the answer
  std::set<RequestId> begun_;                 // answers of which a choice has said something
  std::deque<v1::StepResult> results_;        // of plans under way
  std::string log_;
  std::map<Owner, std::set<uint64_t>> computed_;  // beginnings
  std::vector<int32_t> conversation_;             // the newest finished prompt with its answer
  Owner talker_;                                  // whose it was
  std::chrono::milliseconds now_{0};
  int64_t num_steps_ = 0;
  bool calm_ = false;
  RequestId next_id_ = 1;
  int num_finished_ = 0;
  int num_refused_ = 0;
  int num_expired_ = 0;
  int num_crowded_out_ = 0;
  int num_choices_crowded_out_ = 0;  // of answers of several
  int num_lost_ = 0;
  int num_places_taken_back_ = 0;
};

constexpr int kEvents = 20000;  // of a run; what these must bring about, fewer need not

int NumEvents() {
  const char* set = std::getenv("SWITCHYARD_SIMULATION_EVENTS");
  return set == nullptr ? kEvents : std::atoi(set);
}

class SchedulerSimulation : public ::testing::TestWithParam<Cluster> {};

// Else the test tests too little.
void ExpectAllHappened(const Simulation& simulation, const Cluster& cluster) {
  EXPECT_GT(simulation.num_finished(), 100);
  EXPECT_GT(simulation.num_refused(), 0);
  EXPECT_GT(simulation.scheduler().num_preemptions(), 0) << "the cache was never short";
  EXPECT_GT(simulation.workers().num_tokens_computed(), 1000);
  EXPECT_GT(simulation.workers().num_scored(), 100);
  EXPECT_GT(simulation.workers().num_full(), 100);
  EXPECT_GT(simulation.num_expired(), 0);
  EXPECT_GT(simulation.num_crowded_out(), 0);
  EXPECT_GT(simulation.num_lost(), 0);
  if (cluster.max_drafts + cluster.max_forced > 0) {
    EXPECT_GT(simulation.workers().num_drafts_accepted(), 100);
    EXPECT_GT(simulation.workers().num_drafts_refused(), 100);
  }
}

TEST_P(SchedulerSimulation, EveryAnswerIsTheOneItWouldHaveBeenAlone) {
  int num_taken_back = 0;
  int num_choices_crowded_out = 0;
  int64_t num_cached = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Simulation simulation(GetParam(), seed);
    simulation.Run(NumEvents());
    ASSERT_FALSE(HasFailure());
    if (NumEvents() >= kEvents) ExpectAllHappened(simulation, GetParam());
    num_taken_back += simulation.num_places_taken_back();
    num_choices_crowded_out += simulation.num_choices_crowded_out();
    num_cached += simulation.workers().num_tokens_cached();
  }
  if (NumEvents() < kEvents) return;
  EXPECT_GT(num_taken_back, 0);
  EXPECT_GT(num_choices_crowded_out, 0);
  if (GetParam().prefix_cache) {
    EXPECT_GT(num_cached, 500);
  }
}

// Where all that wait leave after a while, they would never wait for long.
TEST_P(SchedulerSimulation, NobodyStarves) {
  Simulation simulation(GetParam(), 1);
  simulation.Run(NumEvents(), /*calm=*/true);
  EXPECT_GT(simulation.num_refused(), NumEvents() / 50) << "the queue was not full";
}

TEST_P(SchedulerSimulation, SameEventsGiveSamePlans) {
  Simulation first(GetParam(), 7);
  Simulation second(GetParam(), 7);
  first.Run(1000);
  second.Run(1000);
  EXPECT_FALSE(first.log().empty());
  EXPECT_TRUE(first.log() == second.log());
}

INSTANTIATE_TEST_SUITE_P(
    Clusters, SchedulerSimulation,
    ::testing::Values(Cluster{"one_group", 1, 16, 8, 14, 4}, Cluster{"two_groups", 2, 8, 8, 20, 2},
                      Cluster{"four_groups", 4, 64, 6, 12, 4},
                      Cluster{"single_token_blocks", 1, 5, 5, 50, 1},
                      Cluster{"tight_budget", 2, 4, 4, 13, 4},
                      Cluster{"one_group_ahead", 1, 16, 8, 14, 4, 2},
                      Cluster{"two_groups_ahead", 2, 8, 8, 20, 2, 2},
                      Cluster{"four_groups_ahead", 4, 64, 6, 12, 4, 2},
                      Cluster{"single_blocks_ahead", 1, 5, 5, 50, 1, 2},
                      Cluster{"tight_budget_ahead", 2, 4, 4, 13, 4, 2},
                      Cluster{"without_cache", 2, 8, 8, 20, 2, 2, false},
                      Cluster{"forced_text", 2, 20, 8, 24, 2, 2, true, 0, 5},
                      Cluster{"drafts_and_forced_text", 1, 24, 6, 40, 2, 2, true, 2, 4},
                      Cluster{"drafts", 1, 16, 8, 18, 4, 1, true, 1},
                      Cluster{"drafts_ahead", 2, 16, 8, 20, 2, 2, true, 1},
                      Cluster{"long_drafts_ahead", 1, 24, 6, 40, 1, 2, true, 4},
                      Cluster{"drafts_without_room", 1, 8, 8, 14, 4, 2, true, 2},
                      Cluster{"drafts_without_cache", 2, 16, 8, 20, 2, 2, false, 3},
                      Cluster{"windows", 1, 16, 8, 14, 4, 1, true, 0, 0, 5},
                      Cluster{"windows_ahead", 2, 8, 3, 30, 2, 2, true, 0, 0, 3},
                      Cluster{"windows_of_one", 1, 5, 5, 50, 1, 2, true, 0, 0, 1},
                      Cluster{"wide_windows_ahead", 1, 16, 8, 14, 4, 2, true, 0, 0, 40},
                      Cluster{"windows_without_cache", 2, 8, 8, 20, 2, 2, false, 0, 0, 4},
                      Cluster{"windows_and_drafts", 2, 16, 4, 40, 2, 2, true, 1, 0, 4},
                      Cluster{"windows_and_forced_text", 1, 24, 3, 48, 2, 2, true, 2, 4, 3}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::core
