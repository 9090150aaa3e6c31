// The promise (ARCHITECTURE 1.5), whole: a request's tokens and log probabilities are, bit for bit,
// those that it has alone on one worker without a cache, whatever happens around it. One test draws
// clusters and events from a seed: who shares the batch, chunks, prefixes found, preemption,
// drafts, plans ahead of results, layouts, threads and processes.
//
//   same_bits_test --seed 7 --draws 500    other draws, more of them
//   same_bits_test --seed 7 --draw 123     one again; a failure names it
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <set>

#include "coordinator/text/utf8.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/same_bits_draw.h"
#include "tests/integration/same_bits_requests.h"
#include "tests/integration/stream_set.h"
#include "tests/testing/ranks.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

using worker::kTinyR1;

struct Flags {
  uint64_t seed = 1;
  int draws = 16;
  int draw = -1;  // only this one
};
Flags flags;

// What the draws did, all together: a test that does nothing proves nothing.
struct Totals {
  int64_t num_answers = 0;
  int64_t num_cut = 0;  // by a cancel
  int64_t num_preemptions = 0;
  int64_t num_cached_tokens = 0;
  int64_t num_accepted = 0;
  int64_t num_refused = 0;
};

const SameBitsRequests& Requests(const SameBitsModel& model = kSameBitsModels[0]) {
  static std::map<const SameBitsModel*, std::unique_ptr<SameBitsRequests>> kept;
  std::unique_ptr<SameBitsRequests>& requests = kept[&model];
  if (requests == nullptr) requests = std::make_unique<SameBitsRequests>(model);
  return *requests;
}

AnswersAlone& Alone(const SameBitsModel& model = kSameBitsModels[0]) {
  static std::map<const SameBitsModel*, std::unique_ptr<AnswersAlone>> kept;
  std::unique_ptr<AnswersAlone>& alone = kept[&model];
  if (alone == nullptr) alone = std::make_unique<AnswersAlone>(Requests(model));
  return *alone;
}

// A draw whose ranks are threads of this process.
class ThreadsRun {
 public:
  explicit ThreadsRun(const Draw& draw) : draw_(draw) {}

  absl::Status Run() {
    SY_RETURN_IF_ERROR(Start());
    size_t next = 0;
    while (next < draw_.asks.size() || runner_->scheduler().HasWork() || runner_->has_result()) {
      if (++num_events_ > kMaxEvents) return absl::InternalError("it does not come to an end");
      if (next < draw_.asks.size() && draw_.dice.Chance(draw_.arrival_percent)) {
        SY_RETURN_IF_ERROR(Admit(next++));
      }
      if (draw_.dice.Chance(draw_.cancel_percent)) CancelOne(next);
      SY_RETURN_IF_ERROR(Intrude());
      SY_RETURN_IF_ERROR(HalfAStep());
    }
    return absl::OkStatus();
  }

  void Check(Totals& totals) const {
    for (size_t i = 0; i < draw_.asks.size(); ++i) {
      const Ask ask = draw_.asks[i];
      const ScheduledAnswer& got = runner_->answers().at(IdOf(i));
      EXPECT_TRUE(got.is_finished || cancelled_.count(i) > 0) << requests_.Name(ask);
      EXPECT_EQ(FirstDifference(got, Alone(*draw_.model).Get(draw_.compute, ask)), "")
          << requests_.Name(ask);
      ++(got.is_finished ? totals.num_answers : totals.num_cut);
      totals.num_cached_tokens += got.num_cached;
    }
    totals.num_preemptions += runner_->scheduler().num_preemptions();
    totals.num_accepted += runner_->num_accepted();
    totals.num_refused += runner_->num_drafted() - runner_->num_accepted();
    EXPECT_EQ(runner_->scheduler().num_free_blocks(), runner_->scheduler().num_blocks());
  }

 private:
  static constexpr int kMaxEvents = 200'000;
  static constexpr core::RequestId kFirstIntruder = 1'000'000;
  static core::RequestId IdOf(size_t place) { return place + 1; }

  absl::Status Start() {
    cli::LocalEngineOptions options{.model_path = requests_.folder(),
                                    .data_parallel = draw_.data_parallel,
                                    .tensor_parallel = draw_.tensor_parallel,
                                    .compute = draw_.compute,
                                    .max_batched_tokens = draw_.max_batched_tokens,
                                    .micro_batch_tokens = draw_.micro_batch_tokens,
                                    .max_running = draw_.max_running,
                                    .num_kv_blocks = draw_.num_blocks,
                                    .kv_block_tokens = draw_.block_tokens,
                                    .expanded_bytes = draw_.expanded_bytes,
                                    .tokens = requests_.tokens(),
                                    .num_threads = draw_.num_threads,
                                    .backend = "cpu"};
    options.drafts.set_method(draw_.drafts);
    options.drafts.set_max_tokens(draw_.max_drafts);
    options.drafts.set_max_forced(draw_.max_drafts > 0 ? 5 : 0);
    if (draw_.ranks == Ranks::kThreadsByGloo) {
      options.make_collectives = [this](const std::string& name, int size) {
        return ConnectGlooRanks(store_, name, size);
      };
    }
    SY_ASSIGN_OR_RETURN(runner_,
                        ScheduleRunner::Create(options, {.max_under_way = draw_.max_under_way,
                                                         .max_prompt_chunk = draw_.max_prompt_chunk,
                                                         .prefix_cache = draw_.prefix_cache}));
    return absl::OkStatus();
  }

  absl::Status Admit(size_t place) {
    core::NewRequest request = requests_.Make(draw_.asks[place]);
    request.id = IdOf(place);
    request.tenant = std::string(1, static_cast<char>('a' + draw_.dice.Roll(1, draw_.num_tenants)));
    request.weight = draw_.dice.Roll(1, 3);
    request.priority = draw_.dice.Roll(-1, 1);
    request.drafts = draw_.dice.Chance(80);
    return runner_->Admit(std::move(request));
  }

  void CancelOne(size_t num_admitted) {
    if (num_admitted == 0) return;
    const auto place = static_cast<size_t>(draw_.dice.Roll(0, int32_t(num_admitted) - 1));
    if (runner_->answers().at(IdOf(place)).is_finished) return;
    runner_->Cancel(IdOf(place));
    cancelled_.insert(place);
  }

  // A short request of another tenant, which takes the place of the last that runs.
  absl::Status Intrude() {
    const int32_t between = draw_.tokens_between_intruders;
    if (between == 0 || runner_->num_tokens() < next_intrusion_) return absl::OkStatus();
    next_intrusion_ = runner_->num_tokens() + between + 1;  // its own token counts, too
    core::NewRequest request{.id = kFirstIntruder + num_intruders_++, .max_tokens = 1};
    request.prompt_tokens = {7};
    request.tenant = "intruder";
    return runner_->Admit(std::move(request));
  }

  absl::Status HalfAStep() {
    const bool takes = runner_->has_result() && draw_.dice.Chance(50);
    if (!takes) {
      SY_ASSIGN_OR_RETURN(const bool planned, runner_->RunPlan());
      if (planned) return absl::OkStatus();
    }
    return runner_->has_result() ? runner_->TakeResult() : absl::OkStatus();
  }

  Draw draw_;
  const SameBitsRequests& requests_ = Requests(*draw_.model);
  worker::LocalRendezvous store_;
  std::unique_ptr<ScheduleRunner> runner_;
  std::set<size_t> cancelled_;
  int64_t next_intrusion_ = 0;
  core::RequestId num_intruders_ = 0;
  int num_events_ = 0;
};

class SameBits : public ClusterTest {
 protected:
  void Run(int number, Totals& totals) {
    const Draw draw = MakeDraw(flags.seed, number, Requests(ModelOfDraw(number)));
    SCOPED_TRACE("same_bits_test " + draw.Describe());
    std::printf("%s\n", draw.Describe().c_str());
    std::fflush(stdout);
    if (draw.ranks == Ranks::kProcesses) return RunInProcesses(draw, totals);
    ThreadsRun run(draw);
    const absl::Status status = run.Run();
    ASSERT_TRUE(status.ok()) << status;
    run.Check(totals);
  }

 private:
  static ClusterOptions OptionsOf(const Draw& draw) {
    constexpr const char* kComputes[] = {"", "bf16", "f32", "w8a8"};
    constexpr const char* kDrafts[] = {"off", "mtp", "ngram"};
    ClusterOptions options{.model_path = Requests(*draw.model).folder(),
                           .data_parallel = draw.data_parallel,
                           .tensor_parallel = draw.tensor_parallel};
    const auto add = [&](const char* name, const auto& value) {
      options.more_flags.insert(options.more_flags.end(),
                                {fmt::format("--{}", name), fmt::format("{}", value)});
    };
    add("threads", draw.num_threads);
    add("compute", kComputes[draw.compute]);
    add("max-batched-tokens", draw.max_batched_tokens);
    add("micro-batch-tokens", draw.micro_batch_tokens);
    add("max-running", draw.max_running);
    if (draw.max_prompt_chunk > 0) add("max-prompt-chunk", draw.max_prompt_chunk);
    add("kv-blocks", draw.num_blocks);
    add("prompt-memory", draw.expanded_bytes);
    add("prefix-cache", draw.prefix_cache ? "on" : "off");
    add("overlap", draw.max_under_way > 1 ? "on" : "off");
    add("drafts", kDrafts[draw.drafts]);
    if (draw.max_drafts > 0) add("draft-tokens", draw.max_drafts);
    return options;
  }

  void RunInProcesses(const Draw& draw, Totals& totals) {
    Cluster& cluster = StartServing(OptionsOf(draw));
    StreamSet clients(cluster.http_port());
    const SameBitsRequests& requests = Requests(*draw.model);
    for (const Ask ask : draw.asks) {
      clients.Open(PostAndClose("/v1/completions", requests.MakeBody(ask)));
    }
    ASSERT_TRUE(clients.ReadUntilAllEnd(std::chrono::seconds(100))) << cluster.Log();
    for (size_t i = 0; i < draw.asks.size(); ++i) {
      const ClientStream& answer = clients.streams()[i];
      ASSERT_EQ(answer.status(), 200) << answer.bytes;
      const Json body = Json::parse(answer.bytes.substr(answer.bytes.find("\r\n\r\n") + 4));
      CheckLogprobs(requests, body["choices"][0]["logprobs"],
                    Alone(*draw.model).Get(draw.compute, draw.asks[i]),
                    requests.Name(draw.asks[i]));
      ++totals.num_answers;
    }
  }

  // As FirstDifference has it, of what the HTTP API tells: names of tokens, and no end token.
  static void CheckLogprobs(const SameBitsRequests& requests, const Json& got,
                            const ScheduledAnswer& want, const std::string& name) {
    const auto name_of = [&](int32_t token) {
      const std::string_view bytes = requests.tokenizer().DecodeToken(token);
      if (text::IsValidUtf8(bytes)) {
        return requests.tokenizer().Decode({&token, 1}, /*skip_special=*/false);
      }
      std::string name = "bytes:";
      for (const char byte : bytes) name += fmt::format("\\x{:02x}", uint8_t(byte));
      return name;
    };
    const Json& texts = got["tokens"];
    const bool is_ended = requests.IsEnd(want.tokens.back().token);
    ASSERT_EQ(texts.size(), want.tokens.size() - (is_ended ? 1 : 0)) << name << ": " << texts;
    for (size_t i = 0; i < texts.size(); ++i) {
      const core::TokenOutput& output = want.tokens[i];
      ASSERT_EQ(texts[i], name_of(output.token)) << name << ", token " << i;
      ASSERT_EQ(got["token_logprobs"][i].get<float>(), output.logprob) << name << ", token " << i;
      std::map<std::string, float> top;
      for (const core::TokenLogprob& likely : output.top) {
        top[name_of(likely.token)] = likely.logprob;
      }
      top.emplace(name_of(output.token), output.logprob);
      ASSERT_EQ((got["top_logprobs"][i].get<std::map<std::string, float>>()), top)
          << name << ", token " << i;
    }
  }
};

TEST_F(SameBits, WhateverHappensAroundARequest) {
  Totals totals;
  if (flags.draw >= 0) return Run(flags.draw, totals);
  for (int number = 0; number < flags.draws && !HasFailure(); ++number) Run(number, totals);
  std::printf(
      "%ld answers and %ld cut ones; %ld preemptions, %ld tokens from the cache, %ld drafts "
      "right and %ld wrong\n",
      totals.num_answers, totals.num_cut, totals.num_preemptions, totals.num_cached_tokens,
      totals.num_accepted, totals.num_refused);
  if (HasFailure() || flags.draws < 16) return;
  EXPECT_GT(totals.num_cut, 0);
  EXPECT_GT(totals.num_preemptions, 20);
  EXPECT_GT(totals.num_cached_tokens, 100);
  EXPECT_GT(totals.num_accepted, 50);
  EXPECT_GT(totals.num_refused, 50);
}

// An older request runs beside the one that is looked at; after each of its tokens somebody else
// takes its place, and it is computed anew.
class Preempted {
 public:
  explicit Preempted(bool prefix_cache) : prefix_cache_(prefix_cache) {}

  absl::Status Start() {
    SY_ASSIGN_OR_RETURN(
        runner_, ScheduleRunner::Create({.model_path = kTinyR1,
                                         .max_running = 2,
                                         .num_kv_blocks = 1000,
                                         .tokens = Requests().tokens(),
                                         .num_threads = 1,
                                         .backend = "cpu"},
                                        {.max_under_way = 1, .prefix_cache = prefix_cache_}));
    return absl::OkStatus();
  }

  absl::StatusOr<ScheduledAnswer> Answer(Ask ask) {
    const core::RequestId companion = ++last_id_;
    core::NewRequest endless{.id = companion, .prompt_tokens = {5}, .max_tokens = 4000};
    endless.tenant = "both";
    SY_RETURN_IF_ERROR(runner_->Admit(std::move(endless)));
    SY_RETURN_IF_ERROR(runner_->Step());
    core::NewRequest request = Requests().Make(ask);
    const core::RequestId id = request.id = ++last_id_;
    request.tenant = "both";
    SY_RETURN_IF_ERROR(runner_->Admit(std::move(request)));
    int64_t num_known = -1;
    while (!runner_->answers().at(id).is_finished) {
      const int64_t known = std::ssize(runner_->answers().at(id).tokens);
      if (known > num_known) SY_RETURN_IF_ERROR(Intrude());
      num_known = known;
      SY_RETURN_IF_ERROR(runner_->Step());
    }
    runner_->Cancel(companion);
    return runner_->answers().at(id);
  }

 private:
  absl::Status Intrude() {
    core::NewRequest request{.id = ++last_id_, .max_tokens = 1};
    request.prompt_tokens = {7};
    request.tenant = "intruder";
    return runner_->Admit(std::move(request));
  }

  const bool prefix_cache_;
  std::unique_ptr<ScheduleRunner> runner_;
  core::RequestId last_id_ = 0;
};

TEST(SameBitsOfOne, PreemptedAtEveryPosition) {
  for (const bool prefix_cache : {true, false}) {
    Preempted preempted(prefix_cache);
    const absl::Status started = preempted.Start();
    ASSERT_TRUE(started.ok()) << started;
    // With a cache every second prompt, each in one way; without, when all is computed each time,
    // every eighth.
    const int stride = prefix_cache ? 2 : 8;
    for (int prompt = 0; prompt < Requests().size() / kNumWays; prompt += stride) {
      const Ask ask = prompt * kNumWays + prompt / stride % kNumWays;
      const auto got = preempted.Answer(ask);
      ASSERT_TRUE(got.ok()) << got.status();
      const std::string what = Requests().Name(ask) + (prefix_cache ? ", cache" : "");
      EXPECT_EQ(FirstDifference(*got, Alone().Get(v1::COMPUTE_MODE_BF16, ask)), "") << what;
      for (int32_t known = 1; known < std::ssize(got->tokens); ++known) {
        EXPECT_EQ(got->restarted_at.count(known), 1u) << what << " after " << known << " tokens";
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::testing

int main(int argc, char** argv) {
  using switchyard::testing::flags;
  ::testing::InitGoogleTest(&argc, argv);
  CLI::App app("A request's tokens are the same bits whatever happens around it.");
  app.add_option("--seed", flags.seed, "Of the draws")->capture_default_str();
  app.add_option("--draws", flags.draws, "How many")->capture_default_str();
  app.add_option("--draw", flags.draw, "Only this one");
  CLI11_PARSE(app, argc, argv);
  return RUN_ALL_TESTS();
}
