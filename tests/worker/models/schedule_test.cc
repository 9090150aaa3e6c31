// The scheduler over whole engines: whatever it does with a request (chunks, prefixes found in the
// cache, preemption, groups, tenants, drafts, plans ahead of results), tokens and log probabilities
// are those that the request has alone, bit for bit (ARCHITECTURE 1.5).
#include <gtest/gtest.h>

#include <map>

#include "tests/testing/golden.h"
#include "tests/testing/schedule_runner.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

using core::NewRequest;
using core::RequestId;
using worker::kTinyR1;

struct Setup {
  const char* name;
  v1::ComputeMode compute;
  int data_parallel = 1;
  int tensor_parallel = 1;
  int num_blocks = 400;
  int max_batched_tokens = 512;
  int max_prompt_chunk = 0;
  bool prefix_cache = true;
  bool one_at_a_time = false;
  v1::DraftMethod drafts = v1::DRAFT_METHOD_NONE;
  int max_drafts = 0;
  int max_under_way = 1;
};
std::ostream& operator<<(std::ostream& out, const Setup& setup) { return out << setup.name; }

// Texts that begin alike, some of them prompts with an answer that was given before; each asked
// greedily and with sampling that looks at all tokens before.
std::vector<NewRequest> Requests() {
  std::vector<NewRequest> requests;
  const auto add = [&](std::vector<int32_t> prompt, bool sampled) {
    NewRequest request{.id = requests.size() + 1, .prompt_tokens = std::move(prompt)};
    request.max_tokens = 40;
    request.sampling.set_top_logprobs(0);
    request.sampling.set_temperature(sampled ? 1 : 0);
    request.sampling.set_top_p(1);
    request.sampling.set_seed(request.id);
    if (sampled) request.sampling.set_repetition_penalty(1.3f);
    if (sampled) request.sampling.set_frequency_penalty(0.5f);
    requests.push_back(std::move(request));
  };
  const std::vector<GoldenCase> cases = ReadGoldenCases(kTinyR1);
  for (size_t i = 0; i < cases.size(); i += 16) {
    std::vector<int32_t> text = cases[i].prompt_tokens;
    if (text.size() > 100) text.resize(100);
    add(text, i % 32 == 0);
    text.insert(text.end(), cases[i].greedy_tokens.begin(), cases[i].greedy_tokens.end());
    text.resize(std::min<size_t>(text.size(), 130));
    add(text, false);
    add(text, true);
    text.insert(text.end(), {5, 6, 7});
    add(text, i % 32 != 0);
  }
  return requests;
}

v1::DraftPlan DraftsOf(const Setup& setup) {
  v1::DraftPlan drafts;
  drafts.set_method(setup.drafts);
  drafts.set_max_tokens(setup.max_drafts);
  return drafts;
}

using Answers = std::map<RequestId, ScheduledAnswer>;

absl::StatusOr<std::unique_ptr<ScheduleRunner>> MakeRunner(const Setup& setup) {
  return ScheduleRunner::Create({.model_path = kTinyR1,
                                 .data_parallel = setup.data_parallel,
                                 .tensor_parallel = setup.tensor_parallel,
                                 .compute = setup.compute,
                                 .max_batched_tokens = setup.max_batched_tokens,
                                 .max_running = 8,
                                 .num_kv_blocks = setup.num_blocks,
                                 .drafts = DraftsOf(setup)},
                                {.max_under_way = setup.max_under_way,
                                 .max_prompt_chunk = setup.max_prompt_chunk,
                                 .prefix_cache = setup.prefix_cache});
}

absl::Status AskAll(const Setup& setup, ScheduleRunner& runner) {
  int arrivals = 0;
  for (NewRequest& request : Requests()) {
    request.tenant = "all";
    SY_RETURN_IF_ERROR(runner.Admit(std::move(request)));
    // Some come while others run.
    for (int i = ++arrivals % 3; i > 0; --i) SY_RETURN_IF_ERROR(runner.Step());
    if (setup.one_at_a_time) SY_RETURN_IF_ERROR(runner.Finish());
  }
  return runner.Finish();
}

Answers Serve(const Setup& setup) {
  const auto runner = MakeRunner(setup);
  if (!runner.ok()) {
    ADD_FAILURE() << runner.status();
    return {};
  }
  const absl::Status status = AskAll(setup, **runner);
  EXPECT_TRUE(status.ok()) << status;
  if (setup.num_blocks < 100) {
    EXPECT_GT((*runner)->scheduler().num_preemptions(), 0) << "no block was missing";
  }
  if (setup.max_drafts > 0) {
    const int64_t num_drafted = (*runner)->num_drafted();
    const int64_t num_accepted = (*runner)->num_accepted();
    EXPECT_GT(num_accepted, 20) << "of " << num_drafted << " drafts";
    EXPECT_LT(num_accepted, num_drafted - 20);
    std::cout << setup.name << ": " << num_accepted << " of " << num_drafted << " drafts\n";
  }
  return (*runner)->answers();
}

const Answers& Alone(v1::ComputeMode compute) {
  static std::map<v1::ComputeMode, Answers> kept;
  auto [it, fresh] = kept.try_emplace(compute);
  if (fresh) {
    it->second =
        Serve({.name = "alone", .compute = compute, .prefix_cache = false, .one_at_a_time = true});
  }
  return it->second;
}

class ScheduleTest : public ::testing::TestWithParam<Setup> {};

TEST_P(ScheduleTest, GivesEveryRequestTheBitsItHasAlone) {
  const Answers& want = Alone(GetParam().compute);
  const Answers got = Serve(GetParam());
  ASSERT_EQ(got.size(), want.size());
  int32_t num_cached = 0;
  for (const auto& [id, answer] : want) {
    EXPECT_TRUE(got.at(id).is_finished) << "request " << id;
    EXPECT_EQ(FirstDifference(got.at(id), answer), "") << "request " << id;
    num_cached += got.at(id).num_cached;
  }
  if (GetParam().prefix_cache) {
    EXPECT_GT(num_cached, 200) << "little was found: the test tests too little";
  } else {
    EXPECT_EQ(num_cached, 0);
  }
}

constexpr v1::ComputeMode kBf16 = v1::COMPUTE_MODE_BF16;
constexpr v1::DraftMethod kMtp = v1::DRAFT_METHOD_MTP;
const Setup kSetups[] = {
    {.name = "hits", .compute = kBf16, .one_at_a_time = true},
    {.name = "together", .compute = kBf16},
    {.name = "small_chunks", .compute = kBf16, .max_batched_tokens = 64, .max_prompt_chunk = 13},
    {.name = "preempted", .compute = kBf16, .num_blocks = 30},
    {.name = "preempted_without_cache", .compute = kBf16, .num_blocks = 30, .prefix_cache = false},
    {.name = "groups", .compute = kBf16, .data_parallel = 2, .tensor_parallel = 2},
    {.name = "hits_w8a8", .compute = v1::COMPUTE_MODE_W8A8, .one_at_a_time = true},
    {.name = "preempted_f32", .compute = v1::COMPUTE_MODE_F32, .num_blocks = 30},
    {.name = "ahead", .compute = kBf16, .max_under_way = 2},
    {.name = "drafts", .compute = kBf16, .drafts = kMtp, .max_drafts = 1},
    {.name = "three_drafts_ahead",
     .compute = kBf16,
     .max_batched_tokens = 64,
     .drafts = kMtp,
     .max_drafts = 3,
     .max_under_way = 2},
    {.name = "drafts_preempted",
     .compute = kBf16,
     .num_blocks = 22,
     .drafts = kMtp,
     .max_drafts = 2,
     .max_under_way = 2},
    {.name = "drafts_w8a8",
     .compute = v1::COMPUTE_MODE_W8A8,
     .drafts = kMtp,
     .max_drafts = 2,
     .max_under_way = 2},
    {.name = "drafts_in_groups",
     .compute = kBf16,
     .data_parallel = 2,
     .tensor_parallel = 2,
     .drafts = kMtp,
     .max_drafts = 2,
     .max_under_way = 2},
    {.name = "drafts_from_history",
     .compute = kBf16,
     .drafts = v1::DRAFT_METHOD_NGRAM,
     .max_drafts = 4,
     .max_under_way = 2},
};
INSTANTIATE_TEST_SUITE_P(Schedules, ScheduleTest, ::testing::ValuesIn(kSetups),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::testing
