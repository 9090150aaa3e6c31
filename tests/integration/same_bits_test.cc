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
  std::set<std::string> models;
  std::set<std::pair<Ranks, bool>> ranks_and_drafts;  // the second: whether there are any
  std::set<Ranks> ranks_of_r1;
  std::set<v1::DraftMethod> drafts_of_r1;
  std::set<Ask> asks_of_r1;

  void Add(const Draw& draw) {
    models.insert(draw.model->name);
    ranks_and_drafts.insert({draw.ranks, draw.max_drafts > 0});
    if (draw.model != &kSameBitsModels[0]) return;
    ranks_of_r1.insert(draw.ranks);
    drafts_of_r1.insert(draw.drafts);
    asks_of_r1.insert(draw.asks.begin(), draw.asks.end());
  }
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
    totals.Add(draw);
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
    Dice dice = draw.dice;
    for (const Ask ask : draw.asks) {
      Json more = requests.MoreOf(ask);
      if (!dice.Chance(80)) more["drafts"] = false;
      clients.Open(PostAndClose("/v1/completions", requests.MakeBody(ask, more)));
    }
    ASSERT_TRUE(clients.ReadUntilAllEnd(std::chrono::seconds(100))) << cluster.Log();
    for (size_t i = 0; i < draw.asks.size(); ++i) {
      const ClientStream& answer = clients.streams()[i];
      ASSERT_EQ(answer.status(), 200) << answer.bytes;
      const Json body = Json::parse(answer.bytes.substr(answer.bytes.find("\r\n\r\n") + 4));
      const core::NewRequest request = requests.Make(draw.asks[i]);
      const int32_t number = request.sampling.choice();
      const Json& choice = body["choices"][static_cast<size_t>(number)];
      ASSERT_EQ(choice["index"], number);
      const ScheduledAnswer& want = Alone(*draw.model).Get(draw.compute, draw.asks[i]);
      CheckPrompt(request, choice, want, requests.Name(draw.asks[i]));
      CheckLogprobs(requests, draw.asks[i], choice["logprobs"], want);
      ++totals.num_answers;
    }
  }

  // Of prompts whose log probabilities are told: beside the answer, or before it as an echo.
  static void CheckPrompt(const core::NewRequest& request, const Json& choice,
                          const ScheduledAnswer& want, const std::string& name) {
    if (!request.sampling.has_prompt_logprobs()) return;
    ASSERT_EQ(want.prompt_tokens.size() + 1, request.prompt_tokens.size()) << name;
    const bool is_beside = choice.contains("prompt_logprobs");
    const Json& told = is_beside ? choice["prompt_logprobs"] : choice["logprobs"]["token_logprobs"];
    ASSERT_TRUE(told[0].is_null()) << name;
    for (size_t i = 1; i < request.prompt_tokens.size(); ++i) {
      const Json& logprob =
          is_beside ? told[i][std::to_string(request.prompt_tokens[i])]["logprob"] : told[i];
      ASSERT_EQ(logprob.get<float>(), want.prompt_tokens[i - 1].logprob)
          << name << ", token " << i << " of the prompt";
    }
  }

  // As FirstDifference has it, of what the HTTP API tells: names of tokens, and no end token.
  static void CheckLogprobs(const SameBitsRequests& requests, Ask ask, const Json& got,
                            const ScheduledAnswer& want) {
    const std::string name = requests.Name(ask);
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
    const bool echoes = requests.MoreOf(ask).contains("echo");
    const size_t begin = echoes ? want.prompt_tokens.size() + 1 : 0;
    const bool is_ended = requests.Ends(ask, want.tokens.back().token);
    ASSERT_EQ(texts.size(), begin + want.tokens.size() - (is_ended ? 1 : 0)) << name << texts;
    for (size_t i = begin; i < texts.size(); ++i) {
      const core::TokenOutput& output = want.tokens[i - begin];
      ASSERT_EQ(texts[i], name_of(output.token)) << name << ", token " << i;
      ASSERT_EQ(got["token_logprobs"][i].get<float>(), output.logprob) << name << ", token " << i;
      std::map<std::string, float> top;
      for (const core::TokenLogprob& likely : output.top) {
        top.emplace(name_of(likely.token), likely.logprob);
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
  EXPECT_EQ(totals.models.size(), std::size(kSameBitsModels));
  EXPECT_EQ(totals.ranks_and_drafts.size(), 6u) << "with drafts and without in all kinds of ranks";
  EXPECT_EQ(totals.ranks_of_r1.size(), 3u);
  EXPECT_EQ(totals.drafts_of_r1.size(), 3u);
  for (Ask ask = 0; ask < Requests().size(); ++ask) {
    const Way way = SameBitsRequests::WayOf(ask);
    if (way != Way::kGreedy && way != Way::kSeeded) continue;
    EXPECT_EQ(totals.asks_of_r1.count(ask), 1u) << Requests().Name(ask) << " was never asked";
  }
}

// A cluster in which requests are preempted at every position.
struct PreemptingCluster {
  const char* name;
  int every = 1;  // so many prompts one is asked, in one way: in turn in all
  bool prefix_cache = true;
  v1::ComputeMode compute = v1::COMPUTE_MODE_BF16;
  int32_t tensor_parallel = 1;
  int32_t max_under_way = 1;
  v1::DraftMethod drafts = v1::DRAFT_METHOD_NONE;

  // Each step brings one token, and the next is not under way before it has come.
  bool goes_by_ones() const { return max_under_way == 1 && drafts == v1::DRAFT_METHOD_NONE; }
};

void PrintTo(const PreemptingCluster& cluster, std::ostream* out) { *out << cluster.name; }

// An older request runs beside the one that is looked at; after each piece of its prompt, the first
// time after one, then after two, and after each of its tokens somebody else takes its place, and
// it is computed anew.
class Preempted {
 public:
  explicit Preempted(const PreemptingCluster& cluster) : cluster_(cluster) {}

  absl::Status Start() {
    cli::LocalEngineOptions options{.model_path = kTinyR1,
                                    .tensor_parallel = cluster_.tensor_parallel,
                                    .compute = cluster_.compute,
                                    .max_batched_tokens = 64,
                                    .max_running = 2,
                                    .num_kv_blocks = 1000,
                                    .tokens = Requests().tokens(),
                                    .num_threads = 1,
                                    .backend = "cpu"};
    options.drafts.set_method(cluster_.drafts);
    options.drafts.set_max_tokens(cluster_.drafts == v1::DRAFT_METHOD_NONE ? 0 : 2);
    SY_ASSIGN_OR_RETURN(runner_,
                        ScheduleRunner::Create(options, {.max_under_way = cluster_.max_under_way,
                                                         .max_prompt_chunk = kPiece,
                                                         .prefix_cache = cluster_.prefix_cache}));
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
    num_prompt_restarts_ = 0;
    SY_RETURN_IF_ERROR(runner_->Admit(std::move(request)));
    int64_t num_known = 0;
    int num_pieces = 0;
    while (!runner_->answers().at(id).is_finished) {
      const int64_t known = std::ssize(runner_->answers().at(id).tokens);
      const bool in_prompt = known == 0 && num_pieces > num_prompt_restarts_;
      if (in_prompt || known > num_known) {
        SY_RETURN_IF_ERROR(Intrude());
        num_prompt_restarts_ += in_prompt ? 1 : 0;
        num_pieces = 0;
      }
      num_known = known;
      SY_RETURN_IF_ERROR(runner_->Step());
      ++num_pieces;
    }
    runner_->Cancel(companion);
    return runner_->answers().at(id);
  }

 private:
  static constexpr int32_t kPiece = 9;  // tokens, of prompts

  absl::Status Intrude() {
    core::NewRequest request{.id = ++last_id_, .max_tokens = 1};
    request.prompt_tokens = {7};
    request.tenant = "intruder";
    return runner_->Admit(std::move(request));
  }

  const PreemptingCluster cluster_;
  std::unique_ptr<ScheduleRunner> runner_;
  core::RequestId last_id_ = 0;
  int num_prompt_restarts_ = 0;
};

class SameBitsOfOne : public ::testing::TestWithParam<PreemptingCluster> {};

TEST_P(SameBitsOfOne, PreemptedAtEveryPosition) {
  Preempted preempted(GetParam());
  const absl::Status started = preempted.Start();
  ASSERT_TRUE(started.ok()) << started;
  const int every = GetParam().every;
  size_t num_restarted_in_prompt = 0;
  for (int prompt = 0; prompt < Requests().size() / kNumWays; prompt += every) {
    const Ask ask = prompt * kNumWays + prompt / every % kNumWays;
    const auto got = preempted.Answer(ask);
    ASSERT_TRUE(got.ok()) << got.status();
    const std::string what = Requests().Name(ask);
    EXPECT_EQ(FirstDifference(*got, Alone().Get(GetParam().compute, ask)), "") << what;
    num_restarted_in_prompt += got->restarted_at.count(0);
    const int64_t num_places = std::ssize(got->tokens) - 1;
    if (!GetParam().goes_by_ones()) {
      EXPECT_GE(std::ssize(got->restarted_at), num_places / 4) << what;
      continue;
    }
    for (int32_t known = 1; known <= num_places; ++known) {
      EXPECT_EQ(got->restarted_at.count(known), 1u) << what << " after " << known << " tokens";
    }
  }
  EXPECT_GT(num_restarted_in_prompt, 2u);
}

INSTANTIATE_TEST_SUITE_P(
    Clusters, SameBitsOfOne,
    ::testing::Values(PreemptingCluster{"cache", 4}, PreemptingCluster{"no_cache", 16, false},
                      PreemptingCluster{"two_ranks_ahead_with_drafts", 9, true,
                                        v1::COMPUTE_MODE_BF16, 2, 2, v1::DRAFT_METHOD_MTP},
                      PreemptingCluster{"w8a8_ahead", 9, true, v1::COMPUTE_MODE_W8A8, 1, 2},
                      PreemptingCluster{"f32_with_drafts", 13, false, v1::COMPUTE_MODE_F32, 1, 1,
                                        v1::DRAFT_METHOD_NGRAM}),
    [](const auto& info) { return std::string(info.param.name); });

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
