// What tenants owe each other: a flood of one delays another's request by one step's budget at
// most, weights divide tokens, priorities and preemption starve nobody.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <string>

#include "base/field_error.h"
#include "coordinator/core/sched/scheduler.h"
#include "tests/coordinator/core/plan_executor.h"

namespace switchyard::core {
namespace {

constexpr int32_t kBudget = 32;
constexpr int32_t kBlockTokens = 4;

// One group, and whom its tokens are given to.
class SharedGroupTest : public ::testing::Test {
 protected:
  struct Sizes {
    int32_t max_running = 8;
    int32_t num_blocks = 64;
    int32_t max_context = 128;
  };
  static constexpr int32_t kMaxForced = 5;

  SharedGroupTest(uint64_t seed, const Sizes& sizes)
      : random_(seed),
        scheduler_({.max_batched_tokens = kBudget,
                    .max_running = sizes.max_running,
                    .max_waiting = 10000,
                    .num_blocks = sizes.num_blocks,
                    .block_tokens = kBlockTokens,
                    .max_context = sizes.max_context,
                    .vocab_size = PlanExecutor::kVocabSize,
                    .max_forced = kMaxForced}),
        workers_({.num_blocks = sizes.num_blocks,
                  .block_tokens = kBlockTokens,
                  .max_batched_tokens = kBudget,
                  .max_running = sizes.max_running,
                  .max_forced = kMaxForced}) {}

  int32_t Random(int32_t low, int32_t high) {
    return low + int32_t(random_() % uint64_t(high - low + 1));
  }

  RequestId Submit(const std::string& tenant, int32_t prompt_length, int32_t max_tokens,
                   double weight = 1, int32_t priority = 0, bool has_form = false) {
    NewRequest request{.id = ++last_id_, .max_tokens = max_tokens};
    request.tenant = tenant;
    request.weight = weight;
    request.priority = priority;
    if (has_form) request.grammar = std::make_shared<v1::Grammar>();
    for (int32_t i = 0; i < prompt_length; ++i)
      request.prompt_tokens.push_back(Random(0, PlanExecutor::kVocabSize - 1));
    tenant_of_[last_id_] = tenant;
    EXPECT_TRUE(scheduler_.Admit(std::move(request)).ok());
    return last_id_;
  }

  // One step; whether `watched` got a token in it.
  bool Step(RequestId watched = 0) {
    if (!scheduler_.NextPlan(plan_)) {
      ADD_FAILURE() << "no plan";
      return true;
    }
    for (const v1::SequenceWork& work : plan_.groups(0).sequences()) {
      given_[tenant_of_.at(work.sequence_id())] += work.use_last_sampled() ? 1 : work.tokens_size();
    }
    const auto outcome = scheduler_.Complete(workers_.Execute(plan_), {});
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    scheduler_.CheckIntegrity();
    bool seen = false;
    for (const RequestToken& token : outcome->tokens) {
      seen |= token.id == watched;
      ++said_[tenant_of_.at(token.id)];
    }
    for (const RequestEnd& end : outcome->finished) ended_.push_back(end.id);
    return seen;
  }

  std::mt19937_64 random_;
  Scheduler scheduler_;
  v1::StepPlan plan_;  // the last
  PlanExecutor workers_;
  std::map<RequestId, std::string> tenant_of_;
  std::map<std::string, int64_t> given_;  // tokens computed, by tenant
  std::map<std::string, int64_t> said_;   // tokens of answers, by tenant
  std::vector<RequestId> ended_;
  RequestId last_id_ = 0;
};

// Under a flood: tenant "flood" has more requests waiting than are ever served. With odd seeds
// blocks run out first, with even ones places.
class FairnessTest : public SharedGroupTest, public ::testing::WithParamInterface<uint64_t> {
 protected:
  FairnessTest() : SharedGroupTest(GetParam(), {.num_blocks = GetParam() % 2 == 1 ? 64 : 400}) {}

  void Flood(int num_requests) {
    for (int i = 0; i < num_requests; ++i) Submit("flood", Random(1, 100), Random(1, 28));
  }
};

TEST_P(FairnessTest, AFloodDelaysAnotherTenantByOneStepBudgetAtMost) {
  Flood(200);
  for (int i = Random(1, 60); i > 0; --i) Step();
  ASSERT_GT(scheduler_.num_waiting(), 100) << "no flood: the test tests too little";
  for (int round = 0; round < 10; ++round) {
    // Half of the pool is the other's share: what fits there starts at once.
    const int32_t prompt_length = Random(1, 100);
    const RequestId request = Submit("other", prompt_length, Random(1, 20));
    const int64_t before = given_["flood"];
    const int64_t own_before = given_["other"];
    for (int steps = 0; !Step(request); ++steps) ASSERT_LT(steps, 100);
    EXPECT_LE(given_["flood"] - before, given_["other"] - own_before + kBudget)
        << "prompt of " << prompt_length << ", round " << round;
    Flood(2);
    // It ends, and the flood gets what it is owed for that.
    while (std::find(ended_.begin(), ended_.end(), request) == ended_.end() ||
           given_["flood"] - before < given_["other"] - own_before) {
      Step();
    }
  }
}

TEST_P(FairnessTest, TokensAreDividedByWeight) {
  for (int i = 0; i < 300; ++i) {
    Submit("one", Random(20, 60), Random(1, 4), 1);
    Submit("three", Random(20, 60), Random(1, 4), 3);
  }
  for (int i = 0; i < 200; ++i) Step();
  const double ratio = double(given_["three"]) / double(given_["one"]);
  EXPECT_GT(ratio, 2.6);
  EXPECT_LT(ratio, 3.4);
}

// Drafts that a plan merely allows cost nothing; those that become tokens do.
TEST_P(FairnessTest, FormedAnswersCostWhatTheyWrite) {
  for (int i = 0; i < 400; ++i) {
    Submit("plain", Random(1, 4), Random(10, 24));
    Submit("formed", Random(1, 4), Random(10, 24), 1, 0, /*has_form=*/true);
  }
  for (int i = 0; i < 600; ++i) Step();
  EXPECT_GT(workers_.num_drafts_accepted(), 100);
  const double ratio = double(said_["formed"]) / double(said_["plain"]);
  EXPECT_GT(ratio, 0.8);
  EXPECT_LT(ratio, 1.25);
}

TEST_P(FairnessTest, WhoWasIdleHasSavedUpNothing) {
  Submit("other", 8, 1);
  Flood(200);
  for (int i = 0; i < 50; ++i) Step();
  const int64_t flood_before = given_["flood"];
  const int64_t other_before = given_["other"];
  for (int i = 0; i < 100; ++i) Submit("other", Random(20, 60), 2);
  for (int i = 0; i < 40; ++i) Step();
  const int64_t other = given_["other"] - other_before;
  EXPECT_LE(other, (given_["flood"] - flood_before) + 2 * kBudget);
}

TEST_P(FairnessTest, LowPrioritiesAndLargeRequestsComeToTheirEnd) {
  const RequestId low = Submit("flood", 10, 5, 1, /*priority=*/1);
  const RequestId large = Submit("other", 100, 28);  // half of the pool, the most there is
  int num_steps = 0;
  for (size_t i = 0; i < 2; ++num_steps) {
    ASSERT_LT(num_steps, 20000) << "a request starves";
    while (scheduler_.num_waiting() < 20) {
      Submit("flood", Random(1, 20), Random(1, 28));
      Submit("third", Random(1, 20), Random(1, 28));
    }
    Step();
    i = size_t(std::count(ended_.begin(), ended_.end(), low) +
               std::count(ended_.begin(), ended_.end(), large));
  }
}

// More than is ever served, every request of a tenant that nobody knew.
TEST_P(FairnessTest, EverNewTenantsKeepNobodyWaiting) {
  const RequestId low = Submit("flood", 10, 5, 1, /*priority=*/1);
  const RequestId large = Submit("other", 100, 28);
  // One that was served, and is preempted or has more to ask for.
  Submit("known", 60, 4);
  const RequestId more = Submit("known", 20, 28);
  int num_steps = 0;
  for (int64_t num_ended = 0; num_ended < 3; ++num_steps) {
    ASSERT_LT(num_steps, 1000) << "a request starves";
    while (scheduler_.num_waiting() < 40) {
      Submit("new" + std::to_string(last_id_), Random(1, 20), Random(1, 28));
    }
    Step();
    num_ended = std::count_if(ended_.begin(), ended_.end(),
                              [&](RequestId id) { return id == low || id == large || id == more; });
  }
}

TEST_P(FairnessTest, EverNewTenantsAreServedAsTheyCome) {
  std::vector<RequestId> started;
  for (int i = 0; i < 100; ++i) {
    for (int n = 0; n < 4; ++n) Submit("new" + std::to_string(last_id_), 4, 4);
    ASSERT_TRUE(scheduler_.NextPlan(plan_));
    for (const v1::SequenceStart& start : plan_.started()) started.push_back(start.sequence_id());
    ASSERT_TRUE(scheduler_.Complete(workers_.Execute(plan_), {}).ok());
  }
  EXPECT_GT(started.size(), 100u);
  EXPECT_GT(scheduler_.num_waiting(), 50) << "none had to wait: the test tests too little";
  EXPECT_TRUE(std::is_sorted(started.begin(), started.end()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, FairnessTest, ::testing::Range<uint64_t>(1, 21));

class TwoPlacesTest : public SharedGroupTest {
 protected:
  TwoPlacesTest() : SharedGroupTest(1, {.max_running = 2, .num_blocks = 400, .max_context = 300}) {}
};

// A is first in line until the step's next piece of its long prompt is charged.
TEST_F(TwoPlacesTest, WhoseTurnItIsIsAskedAnewAfterEachPieceOfAPrompt) {
  Submit("A", 200, 5, /*weight=*/2);
  Submit("B", 23, 1);
  Step();
  Step();
  ASSERT_EQ(scheduler_.num_running(), 1) << "B has had its token";
  const RequestId of_a = Submit("A", 10, 200, /*weight=*/2);
  const RequestId of_b = Submit("B", 10, 200);
  EXPECT_TRUE(Step(of_b));
  for (const v1::SequenceStart& start : plan_.started()) EXPECT_NE(start.sequence_id(), of_a);
}

// The flood's answers are long, and one tenant asks for more than half of the cache.
class LargeRequestTest : public SharedGroupTest {
 protected:
  static constexpr int32_t kLongest = 60;  // answer, tokens: so many steps at least

  LargeRequestTest()
      : SharedGroupTest(1, {.max_running = 16, .num_blocks = 128, .max_context = 512}) {}

  // The large request's id, which waits behind the flood.
  RequestId SubmitLarge() {
    KeepFlooding();
    for (int i = 0; i < 40; ++i) Step();
    const RequestId large = Submit("large", 400, 8);
    Step();
    return large;
  }

  void KeepFlooding() {
    while (scheduler_.num_waiting() < 20) {
      Submit("flood", Random(4, 12), Random(kLongest / 2, kLongest));
    }
  }
};

TEST_F(LargeRequestTest, HoldsUpNobodyWhoHasLessThanHisShare) {
  SubmitLarge();
  int num_beside = 0;
  for (; given_["large"] == 0; ++num_beside) {
    ASSERT_LT(num_beside, 2 * kLongest);
    KeepFlooding();
    const RequestId request = Submit("third", 8, 2);
    ASSERT_TRUE(Step(request)) << "after " << num_beside << " others";
    Step();
  }
  EXPECT_GT(num_beside, 5) << "the large one did not wait: the test tests too little";
}

// A third tenant never stops asking, and with its share in use there is no room for the large one.
TEST_F(LargeRequestTest, IsNotOvertakenForEver) {
  const RequestId large = SubmitLarge();
  std::array<RequestId, 8> last_of_row = {};
  int num_steps = 0;
  for (; given_["large"] == 0; ++num_steps) {
    ASSERT_LT(num_steps, 256 + 2 * kLongest) << "it starves";
    KeepFlooding();
    for (RequestId& last : last_of_row) {
      const bool ended = std::find(ended_.begin(), ended_.end(), last) != ended_.end();
      if (last == 0 || ended) last = Submit("third", 8, 20);
    }
    Step();
  }
  EXPECT_GT(num_steps, 256) << "it was not overtaken";
  for (int i = 0; std::find(ended_.begin(), ended_.end(), large) == ended_.end(); ++i) {
    ASSERT_LT(i, 2 * kLongest);
    Step();
  }
}

// A queue for 12: what is asked for, and who of those that waited had to go.
class FullQueueTest : public ::testing::Test {
 protected:
  FullQueueTest()
      : scheduler_({.max_batched_tokens = 8,
                    .max_running = 1,
                    .max_waiting = 12,
                    .num_blocks = 64,
                    .block_tokens = kBlockTokens,
                    .max_context = 64,
                    .vocab_size = PlanExecutor::kVocabSize}) {}

  absl::Status Ask(RequestId id, const std::string& tenant, double weight = 1,
                   int32_t num_following = 0, RequestId follows = 0) {
    NewRequest request{.id = id, .prompt_tokens = {1, 2, 3}, .max_tokens = 5};
    request.tenant = tenant;
    request.weight = weight;
    request.num_following = num_following;
    request.follows = follows;
    for (const RequestEnd& end : scheduler_.MakePlace(request)) {
      EXPECT_EQ(end.finish.status.code(), absl::StatusCode::kResourceExhausted);
      crowded_out_.push_back(end.id);
    }
    const absl::Status status = scheduler_.Admit(std::move(request));
    scheduler_.CheckIntegrity();
    return status;
  }

  void Fill() {
    for (RequestId id = 101; id <= 112; ++id) ASSERT_TRUE(Ask(id, "flood").ok());
    ASSERT_EQ(Ask(113, "flood").code(), absl::StatusCode::kResourceExhausted);
    ASSERT_TRUE(crowded_out_.empty()) << "a tenant does not crowd out its own";
  }

  Scheduler scheduler_;
  std::vector<RequestId> crowded_out_;
};

TEST_F(FullQueueTest, IsSharedByWeightAndWhoCameLastMakesPlace) {
  Fill();
  for (RequestId id = 201; id <= 206; ++id) EXPECT_TRUE(Ask(id, "other").ok()) << id;
  EXPECT_EQ(crowded_out_, (std::vector<RequestId>{112, 111, 110, 109, 108, 107}));
  EXPECT_EQ(Ask(207, "other").code(), absl::StatusCode::kResourceExhausted) << "half is its part";
  EXPECT_EQ(Ask(114, "flood").code(), absl::StatusCode::kResourceExhausted);
  // A third tenant that weighs as much as both takes from each.
  crowded_out_.clear();
  for (RequestId id = 301; id <= 306; ++id) EXPECT_TRUE(Ask(id, "heavy", 2).ok()) << id;
  EXPECT_EQ(crowded_out_.size(), 6u);
  EXPECT_EQ(std::count_if(crowded_out_.begin(), crowded_out_.end(),
                          [](RequestId id) { return id < 200; }),
            3);
  EXPECT_EQ(Ask(307, "heavy", 2).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(scheduler_.num_waiting(), 12);
}

TEST_F(FullQueueTest, NoneThatCouldNeverRunCrowdsOutAnother) {
  Fill();
  NewRequest request{.id = 201, .prompt_tokens = {1}, .max_tokens = 5};
  request.tenant = "other";
  request.prompt_tokens.resize(64, 1);
  EXPECT_TRUE(scheduler_.MakePlace(request).empty());
  EXPECT_EQ(scheduler_.Admit(std::move(request)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FullQueueTest, RefusalsNameTheFieldThatIsAtFault) {
  const auto field = [&](int32_t prompt_length, int32_t token, int32_t max_tokens,
                         int32_t num_following) {
    NewRequest request{.id = 1, .max_tokens = max_tokens, .num_following = num_following};
    request.prompt_tokens.assign(prompt_length, token);
    const absl::Status status = scheduler_.Admit(std::move(request));
    EXPECT_FALSE(status.ok());
    return FieldOf(status);
  };
  EXPECT_EQ(field(64, 1, 5, 0), "prompt");
  EXPECT_EQ(field(3, PlanExecutor::kVocabSize, 5, 0), "prompt");
  EXPECT_EQ(field(3, 1, 5, 12), "n");
  Fill();
  EXPECT_EQ(field(3, 1, 5, 0), "") << "the queue is full: no field is at fault";
  Scheduler small({.max_batched_tokens = 8,
                   .max_running = 1,
                   .max_waiting = 1,
                   .num_blocks = 2,
                   .block_tokens = kBlockTokens,
                   .max_context = 64,
                   .vocab_size = PlanExecutor::kVocabSize});
  EXPECT_EQ(FieldOf(small.Admit({.id = 1, .prompt_tokens = {1, 2}, .max_tokens = 8})),
            "max_tokens");
  NewRequest late{.id = 2, .prompt_tokens = {1, 2}, .max_tokens = 2};
  late.timeout = std::chrono::milliseconds(5);
  ASSERT_TRUE(small.Admit(std::move(late), std::chrono::milliseconds(0)).ok());
  const std::vector<RequestEnd> expired = small.Expire(std::chrono::milliseconds(6));
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(FieldOf(expired[0].finish.status), "timeout");
}

TEST_F(FullQueueTest, AnAnswerOfSeveralChoicesHasPlacesForAllOrNone) {
  for (RequestId id = 101; id <= 106; ++id) ASSERT_TRUE(Ask(id, "one").ok());
  EXPECT_EQ(Ask(201, "one", 1, /*num_following=*/6).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Ask(202, "one", 1, /*num_following=*/5).ok());
  EXPECT_EQ(Ask(107, "one").code(), absl::StatusCode::kResourceExhausted) << "places are kept";
  for (RequestId id = 203; id <= 207; ++id) {
    EXPECT_TRUE(Ask(id, "one", 1, 0, /*follows=*/202).ok()) << id;
  }
  EXPECT_EQ(Ask(208, "one", 1, 0, /*follows=*/202).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Ask(209, "one", 1, /*num_following=*/12).code(), absl::StatusCode::kInvalidArgument)
      << "later is no better";
  // Another tenant takes the places of whole answers alone, and for all of its choices at once.
  EXPECT_TRUE(Ask(301, "other", 1, /*num_following=*/2).ok());
  EXPECT_EQ(crowded_out_, (std::vector<RequestId>{202, 203, 204, 205, 206, 207}));
  EXPECT_TRUE(Ask(208, "one", 1, /*num_following=*/2).ok()) << "the others are free";
  crowded_out_.clear();
  EXPECT_TRUE(Ask(302, "other", 1, /*num_following=*/2).ok());
  EXPECT_EQ(crowded_out_, (std::vector<RequestId>{208})) << "with the places kept behind it";
  EXPECT_EQ(Ask(303, "other", 1, /*num_following=*/3).code(), absl::StatusCode::kResourceExhausted)
      << "half is its part";
  EXPECT_EQ(crowded_out_.size(), 1u) << "in vain nobody goes";
}

// However many answers its requests have, and whether these wait or are still to come.
TEST_F(FullQueueTest, AFloodOfSeveralAnswersLeavesAnotherTenantItsHalf) {
  for (const int32_t num_choices : {2, 4}) {
    for (const bool all_come : {true, false}) {
      SCOPED_TRACE(fmt::format("{} answers, all come: {}", num_choices, all_come));
      RequestId last_id = 100;
      const auto flood = [&] {
        const RequestId first = ++last_id;
        if (!Ask(first, "flood", 1, num_choices - 1).ok()) return false;
        for (int i = 1; all_come && i < num_choices; ++i) {
          EXPECT_TRUE(Ask(++last_id, "flood", 1, 0, /*follows=*/first).ok());
        }
        return true;
      };
      while (flood()) {
      }
      for (RequestId id = 1; id <= 6; ++id) {
        EXPECT_TRUE(Ask(id, "other").ok()) << "half is its part";
        flood();
      }
      EXPECT_EQ(std::count_if(crowded_out_.begin(), crowded_out_.end(),
                              [](RequestId id) { return id <= 6; }),
                0)
          << "what it has stays its own";
      scheduler_.FailAll(absl::UnavailableError("the next round begins"));
      crowded_out_.clear();
      ASSERT_EQ(scheduler_.num_kept_places(), 0);
    }
  }
}

TEST_F(FullQueueTest, AnAnswerThatWasBegunMakesNoPlaceAndItsPlacesCount) {
  ASSERT_TRUE(Ask(101, "flood", 1, /*num_following=*/6).ok());
  v1::StepPlan plan;
  ASSERT_TRUE(scheduler_.NextPlan(plan)) << "the first choice runs";
  for (RequestId id = 201; id <= 206; ++id) ASSERT_TRUE(Ask(id, "other").ok());
  EXPECT_EQ(Ask(102, "flood").code(), absl::StatusCode::kResourceExhausted)
      << "the places kept are half of all";
  for (RequestId id = 103; id <= 108; ++id) {
    EXPECT_TRUE(Ask(id, "flood", 1, 0, /*follows=*/101).ok());
  }
  EXPECT_TRUE(crowded_out_.empty());
  for (RequestId id = 301; id <= 303; ++id) EXPECT_TRUE(Ask(id, "third").ok());
  EXPECT_EQ(crowded_out_, (std::vector<RequestId>{206, 205, 204}))
      << "all of the flood's were begun";
}

TEST_F(FullQueueTest, PlacesComeBackWhenTheFirstChoiceIsCancelled) {
  ASSERT_TRUE(Ask(101, "one", 1, /*num_following=*/11).ok());
  ASSERT_EQ(Ask(102, "one").code(), absl::StatusCode::kResourceExhausted);
  // It comes to its end, and those that follow may still come.
  PlanExecutor workers(
      {.num_blocks = 64, .block_tokens = kBlockTokens, .max_batched_tokens = 8, .max_running = 1});
  v1::StepPlan plan;
  while (scheduler_.NextPlan(plan)) {
    ASSERT_TRUE(scheduler_.Complete(workers.Execute(plan), {}).ok());
  }
  EXPECT_TRUE(Ask(103, "one", 1, 0, /*follows=*/101).ok());
  EXPECT_EQ(scheduler_.num_kept_places(), 10);
  scheduler_.Cancel(101);
  EXPECT_EQ(scheduler_.num_kept_places(), 0);
  EXPECT_TRUE(Ask(104, "one").ok());
}

TEST(Tenants, AreForgottenWhenNobodyIsBehindThem) {
  Tenants tenants;
  for (int i = 0; i < 10000; ++i) {
    Tenant& tenant = tenants.Join("t" + std::to_string(i), 1);
    tenants.Charge(tenant, 100);
    tenants.EndStep(std::nullopt);
    tenants.Leave(tenant);
    tenants.CheckIntegrity();
  }
  EXPECT_EQ(tenants.num_known(), 0);
  Tenant& always = tenants.Join("always", 1);
  for (int i = 0; i < 10000; ++i) {
    Tenant& tenant = tenants.Join("t" + std::to_string(i), 1);
    tenants.Charge(tenant, 100);
    tenants.EndStep(always.virtual_time);
    tenants.Leave(tenant);
  }
  EXPECT_LE(tenants.num_known(), int32_t(Tenants::kMaxIdle) + 1);
  tenants.CheckIntegrity();
}

}  // namespace
}  // namespace switchyard::core
