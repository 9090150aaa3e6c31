#include "worker/sample/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/worker/sample/sample_testing.h"

namespace switchyard::worker {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int32_t kPromptLength = 4;

v1::SamplingParams Params(float temperature, float top_p = 1, int top_k = 0, uint64_t seed = 7) {
  v1::SamplingParams params;
  params.set_temperature(temperature);
  params.set_top_p(top_p);
  params.set_top_k(top_k);
  params.set_seed(seed);
  return params;
}

SamplingState StateOf(const v1::SamplingParams& params, int32_t vocab_size,
                      const std::vector<int32_t>& tokens = {}) {
  auto state = SamplingState::Create(params, kPromptLength, vocab_size);
  SY_CHECK(state.ok()) << Message(state.status());
  state->See(0, tokens);
  return *std::move(state);
}

// One rank, one row.
absl::StatusOr<Sample> TrySample(const std::vector<float>& logits, SampleRequest request) {
  static const auto ops = OneThread();
  const auto width = static_cast<int64_t>(logits.size());
  std::vector<float> values = logits;
  values.resize(2 * logits.size());
  Sampler sampler(*ops, {}, 1, nullptr);
  auto samples = sampler.Run(kernels::TensorView(values.data(), kernels::DType::kF32, {2, width}),
                             1, {&request, 1});
  if (!samples.ok()) return samples.status();
  return samples->front();
}

int32_t Choose(const std::vector<float>& logits, const v1::SamplingParams& params, int32_t position,
               const std::vector<int32_t>& past = {}) {
  SamplingState state = StateOf(params, int32_t(logits.size()), past);
  const auto sample = TrySample(logits, {.position = position, .state = &state});
  SY_CHECK(sample.ok()) << Message(sample.status());
  return sample->token;
}

// Draws at many positions and counts.
std::map<int32_t, int> Histogram(const std::vector<float>& logits, const v1::SamplingParams& params,
                                 int num_draws) {
  std::map<int32_t, int> counts;
  for (int position = 0; position < num_draws; ++position) {
    ++counts[Choose(logits, params, position)];
  }
  return counts;
}

std::set<int32_t> Kept(const std::vector<float>& logits, const v1::SamplingParams& params) {
  std::set<int32_t> tokens;
  for (const auto& [token, count] : Histogram(logits, params, 800)) tokens.insert(token);
  return tokens;
}

using ::testing::ElementsAre;

TEST(Sampler, GreedyTakesTheLikeliestAndTheLowerOfEqualIds) {
  SamplingState state = StateOf(Params(0), 4);
  const Sample sample =
      *TrySample({1, 3, 3, 2}, {.position = 5, .state = &state, .with_logprob = true});
  EXPECT_EQ(sample.token, 1);
  const double sum = std::exp(-2.0) + 1 + 1 + std::exp(-1.0);
  EXPECT_NEAR(sample.logprob, -std::log(sum), 1e-6);
  EXPECT_EQ(Choose({1, 3, 3, 2}, Params(5, 1, /*top_k=*/1), 5), 1) << "top_k 1 is greedy";
}

TEST(Sampler, FrequenciesFollowTheSoftmaxAtTemperature) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  const auto counts = Histogram(logits, Params(1), 80000);
  EXPECT_NEAR(counts.at(0), 10000, 400);
  EXPECT_NEAR(counts.at(1), 20000, 500);
  EXPECT_NEAR(counts.at(2), 50000, 600);
  const auto cold = Histogram(logits, Params(0.5), 30000);  // weights 1, 4, 25
  EXPECT_NEAR(cold.at(0), 1000, 130);
  EXPECT_NEAR(cold.at(1), 4000, 250);
}

TEST(Sampler, TheLowestTemperatureIsGreedy) {
  const std::vector<float> logits = {1, -2, 1.5f, -kInfinity, 1.25f};
  for (const float temperature :
       {1e-3f, 1e-38f, 1e-39f, std::numeric_limits<float>::denorm_min()}) {
    EXPECT_THAT(Kept(logits, Params(temperature)), ElementsAre(2)) << temperature;
    EXPECT_THAT(Kept(logits, Params(temperature, 0.9f, 3)), ElementsAre(2)) << temperature;
    v1::SamplingParams params = Params(temperature);
    params.set_min_p(0.1f);
    params.set_typical_p(0.5f);
    EXPECT_THAT(Kept(logits, params), ElementsAre(2)) << temperature;
  }
}

TEST(Sampler, TopKAndTopPKeepTheLikeliest) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f), std::log(2.0f)};
  EXPECT_THAT(Kept(logits, Params(1, 1, 1)), ElementsAre(2));
  EXPECT_THAT(Kept(logits, Params(1, 1, 2)), ElementsAre(1, 2, 3)) << "equals stay together";
  EXPECT_THAT(Kept(logits, Params(1, 1, 4)), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Kept(logits, Params(1, 1, 9)), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Kept(logits, Params(1, 0.49f)), ElementsAre(2));  // 5 / 10
  EXPECT_THAT(Kept(logits, Params(1, 0.51f)), ElementsAre(1, 2, 3));
  EXPECT_THAT(Kept(logits, Params(1, 0.95f)), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Kept(logits, Params(1, 1e-6f)), ElementsAre(2));
  // top-p counts within what top-k leaves: 5 of 9.
  EXPECT_THAT(Kept(logits, Params(1, 0.55f, 3)), ElementsAre(2));
}

TEST(Sampler, MinPCutsWhatIsFarBelowTheLikeliest) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  v1::SamplingParams params = Params(1);
  params.set_min_p(0.39f);
  EXPECT_THAT(Kept(logits, params), ElementsAre(1, 2));
  params.set_min_p(0.41f);
  EXPECT_THAT(Kept(logits, params), ElementsAre(2));
  params.set_temperature(2);  // ratio 0.632
  EXPECT_THAT(Kept(logits, params), ElementsAre(0, 1, 2));
}

TEST(Sampler, TypicalPKeepsSurprisesNearTheEntropy) {
  // Probabilities 0.5, 0.25, 0.125 x 2: the entropy is 1.75 bits, the surprises 1, 2, 3, 3.
  const std::vector<float> logits = {std::log(0.5f), std::log(0.25f), std::log(0.125f),
                                     std::log(0.125f)};
  v1::SamplingParams params = Params(1);
  params.set_typical_p(0.2f);
  EXPECT_THAT(Kept(logits, params), ElementsAre(1));
  params.set_typical_p(0.7f);
  EXPECT_THAT(Kept(logits, params), ElementsAre(0, 1));
  params.set_typical_p(0.8f);
  EXPECT_THAT(Kept(logits, params), ElementsAre(0, 1, 2, 3));
}

TEST(Sampler, DependsOnSeedChoiceAndPositionAlone) {
  const std::vector<float> logits(100, 0.0f);
  int other_seed = 0, other_choice = 0;
  v1::SamplingParams second = Params(1);
  second.set_choice(1);
  for (int position = 0; position < 50; ++position) {
    const int32_t token = Choose(logits, Params(1), position);
    EXPECT_EQ(Choose(logits, Params(1), position), token);
    other_seed += Choose(logits, Params(1, 1, 0, 8), position) != token;
    other_choice += Choose(logits, second, position) != token;
  }
  EXPECT_GT(other_seed, 40);
  EXPECT_GT(other_choice, 40);
}

TEST(Sampler, PenaltiesCountTheAnswerAndRepetitionThePromptToo) {
  const std::vector<float> logits = {1.0f, 0.9f, 0.8f, -0.1f, -0.3f};
  // The prompt has 0 (and 4), the answer 1, 1, 2.
  const std::vector<int32_t> past = {0, 4, 0, 4, 1, 1, 2};
  v1::SamplingParams params = Params(0);
  params.set_presence_penalty(0.3f);
  EXPECT_EQ(Choose(logits, params, 7, past), 0);
  params.set_presence_penalty(-0.3f);  // 1.0, 1.2, 1.1
  EXPECT_EQ(Choose(logits, params, 7, past), 1);
  params.set_presence_penalty(0);
  params.set_frequency_penalty(-0.15f);  // 1.0, 1.2, 0.95
  EXPECT_EQ(Choose(logits, params, 7, past), 1);
  params.set_frequency_penalty(0);
  params.set_repetition_penalty(20);  // 0.05, 0.045, 0.04, -0.1, -6
  EXPECT_EQ(Choose(logits, params, 7, past), 0);
  const std::vector<float> negative = {-1.0f, -1.5f, -9, -9, -9};
  params.set_repetition_penalty(2);  // -2, -3
  EXPECT_EQ(Choose(negative, params, 7, past), 0);
  EXPECT_EQ(Choose(negative, params, 5, {0, 0, 0, 0, 0}), 1);
}

TEST(Sampler, BiasLeastLengthAndForbiddenSequencesChangeWhatIsChosen) {
  const std::vector<float> logits = {1.0f, 0.9f, 0.8f, 0.7f};
  v1::SamplingParams params = Params(0);
  v1::LogitBias* bias = params.add_logit_bias();
  bias->set_token(3);
  bias->set_bias(0.5f);
  EXPECT_EQ(Choose(logits, params, 4, {0, 0, 0, 0}), 3);
  bias->set_bias(0);
  params.set_min_tokens(2);
  params.add_ending_tokens(0);
  EXPECT_EQ(Choose(logits, params, 4, {0, 0, 0, 0}), 1);
  EXPECT_EQ(Choose(logits, params, 5, {0, 0, 0, 0, 1}), 1);
  EXPECT_EQ(Choose(logits, params, 6, {0, 0, 0, 0, 1, 1}), 0);
  v1::TokenSequence* word = params.add_bad_words();
  for (const int32_t token : {2, 1, 0}) word->add_tokens(token);
  EXPECT_EQ(Choose(logits, params, 6, {0, 0, 0, 0, 2, 1}), 1);
  EXPECT_EQ(Choose(logits, params, 6, {0, 0, 0, 2, 1, 1}), 0);
  EXPECT_EQ(Choose(logits, params, 6, {0, 0, 0, 2, 1, 2}), 0) << "a prompt's tokens are no answer";
}

using Changes = std::map<int32_t, std::pair<float, float>>;  // repetition and bias, by token

Changes ChangesOf(SamplingState& state) {
  Changes changes;
  for (const auto& change : state.Changes()) {
    EXPECT_TRUE(changes.try_emplace(change.token, change.repetition, change.bias).second);
  }
  return changes;
}

// The same, found anew from all tokens.
Changes ExpectedChanges(const v1::SamplingParams& params, const std::vector<int32_t>& tokens) {
  const size_t num_prompt = std::min<size_t>(tokens.size(), kPromptLength);
  const float repetition = params.repetition_penalty();
  Changes changes;
  const auto of = [&](int32_t token) -> auto& {
    return changes.try_emplace(token, 1.0f, 0.0f).first->second;
  };
  std::map<int32_t, int> times;
  for (size_t i = num_prompt; i < tokens.size(); ++i) ++times[tokens[i]];
  const bool counts =
      repetition != 0 || params.presence_penalty() != 0 || params.frequency_penalty() != 0;
  for (const auto& [token, count] : times) {
    if (!counts) break;
    of(token).second -= params.presence_penalty() + params.frequency_penalty() * float(count);
  }
  for (const int32_t token : tokens) {
    if (repetition != 0) of(token).first = repetition;
  }
  for (const v1::LogitBias& bias : params.logit_bias()) of(bias.token()).second += bias.bias();
  for (const v1::TokenSequence& word : params.bad_words()) {
    const bool begun = tokens.size() > num_prompt && tokens.back() == word.tokens(0);
    if (begun) of(word.tokens(1)).second = -kInfinity;
  }
  if (tokens.size() >= size_t(kPromptLength + params.min_tokens())) return changes;
  for (const int32_t token : params.ending_tokens()) of(token).second = -kInfinity;
  return changes;
}

// What is kept from token to token is what would be found anew; forbidden tokens come and go; and a
// draft's state leaves the one that it was copied from as it is.
TEST(SamplingState, KeepsWhatChangesFromTokenToToken) {
  constexpr int32_t kVocab = 12;
  std::mt19937 random(4);
  for (int kind = 0; kind < 8; ++kind) {
    v1::SamplingParams params = Params(0);
    if (kind & 1) params.set_repetition_penalty(1.5f);
    if (kind & 2) params.set_frequency_penalty(0.3f);
    if (kind & 4) params.set_presence_penalty(-0.2f);
    params.set_min_tokens(10);
    for (const int32_t token : {3, 7, 3}) params.add_ending_tokens(token);
    for (const int32_t token : {11, 2, 7}) {
      v1::LogitBias* bias = params.add_logit_bias();
      bias->set_token(token);
      bias->set_bias(0.25f * float(token));
    }
    for (const int32_t first : {1, 7, 9}) {
      v1::TokenSequence* word = params.add_bad_words();
      for (const int32_t token : {first, first - 1}) word->add_tokens(token);
    }
    SamplingState state = StateOf(params, kVocab);
    std::vector<int32_t> past;
    for (int i = 0; i < kPromptLength + 20; ++i) {
      SamplingState draft = state;
      std::vector<int32_t> drafted = past;
      for (const int32_t token : {7, 9}) {
        drafted.push_back(token);
        draft.See(int32_t(drafted.size()) - 1, {&drafted.back(), 1});
        EXPECT_EQ(ChangesOf(draft), ExpectedChanges(params, drafted)) << kind << " at " << i;
      }
      past.push_back(int32_t(random() % kVocab));
      state.See(i, {&past.back(), 1});
      EXPECT_EQ(ChangesOf(state), ExpectedChanges(params, past)) << kind << " at " << i;
    }
    SamplingState at_once = StateOf(params, kVocab, past);
    EXPECT_EQ(ChangesOf(at_once), ChangesOf(state)) << kind;
  }
}

TEST(Sampler, AMaskLeavesOnlyWhatItAllows) {
  const std::vector<float> logits(70, 0.0f);
  std::vector<uint32_t> mask(3, 0);
  for (const int token : {3, 40, 69}) mask[token / 32] |= 1u << (token % 32);
  SamplingState state = StateOf(Params(1), 70);
  std::set<int32_t> seen;
  for (int position = 0; position < 100; ++position) {
    const auto sample = TrySample(
        logits, {.position = position, .state = &state, .mask = mask, .with_logprob = true});
    seen.insert(sample->token);
    EXPECT_NEAR(sample->logprob, -std::log(70.0), 1e-5) << "of the model, not of the mask";
  }
  EXPECT_THAT(seen, ElementsAre(3, 40, 69));
  const std::vector<uint32_t> nothing(3, 0);
  EXPECT_EQ(TrySample(logits, {.position = 1, .state = &state, .mask = nothing}).status().code(),
            absl::StatusCode::kInternal);
}

TEST(Sampler, ReportsTheLikeliestAndGivenTokens) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f), std::log(2.0f)};
  const Sample given = *TrySample(logits, {.position = 3, .given = 0, .num_top = 3});
  EXPECT_EQ(given.token, 0);
  EXPECT_NEAR(given.logprob, std::log(0.1), 1e-5);
  ASSERT_EQ(given.top.size(), 3u);
  EXPECT_EQ(given.top[0].token, 2);
  EXPECT_EQ(given.top[1].token, 1);
  EXPECT_EQ(given.top[2].token, 3);
  EXPECT_NEAR(given.top[0].logit, std::log(0.5), 1e-5);
  EXPECT_NEAR(given.top[2].logit, std::log(0.2), 1e-5);
  EXPECT_EQ(TrySample(logits, {.position = 3, .given = 1, .num_top = 2})->top[1].token, 1);
  EXPECT_EQ(TrySample(logits, {.position = 3, .given = 1, .num_top = 9})->top.size(), 4u);
}

TEST(Sampler, NoParametersBreakARow) {
  const std::vector<float> logits = {4, 3.5f, -4, 5};
  v1::SamplingParams params = Params(0);
  params.set_repetition_penalty(1e-38f);
  EXPECT_EQ(Choose(logits, params, 7, {2, 1, 0, 2, 0, 1, 2}), 0) << "the lower of two largest";
  params.set_temperature(1);
  for (int position = 7; position < 40; ++position) {
    EXPECT_LT(Choose(logits, params, position, {2, 1, 0, 2, 0, 1, 2}), 2);
  }
  params = Params(0);
  params.set_repetition_penalty(3e38f);
  EXPECT_EQ(Choose(logits, params, 7, {2, 2, 2, 2, 2, 2, 2}), 3);
  EXPECT_EQ(Choose({-4, -5, -6, -7}, params, 7, {1, 1, 2, 0, 3, 1, 2}), 0);
  params = Params(0);
  params.set_frequency_penalty(-3e38f);
  EXPECT_EQ(Choose(logits, params, 6, {0, 0, 0, 0, 1, 1}), 1);
  params.set_presence_penalty(3e38f);
  params.set_frequency_penalty(3e38f);
  EXPECT_EQ(Choose({1, -kInfinity}, params, 6, {0, 0, 0, 0, 0, 0}), 0);
  // Every token ends the answer, and it may not end yet.
  params = Params(0);
  params.set_min_tokens(9);
  for (const int32_t token : {0, 3, 1, 2, 1}) params.add_ending_tokens(token);
  EXPECT_EQ(Choose(logits, params, 4, {0, 0, 0, 0}), 3);
}

TEST(Sampler, BrokenLogitsAreAnErrorAndNoToken) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  SamplingState greedy = StateOf(Params(0), 3);
  for (const std::vector<float>& logits :
       {std::vector<float>{1, nan, 2}, {-kInfinity, -kInfinity, -kInfinity}, {1, kInfinity, 2}}) {
    EXPECT_EQ(TrySample(logits, {.position = 9, .state = &greedy}).status().code(),
              absl::StatusCode::kInternal);
    EXPECT_EQ(TrySample(logits, {.position = 9, .given = 0, .with_logprob = true}).status().code(),
              absl::StatusCode::kInternal);
  }
  EXPECT_NE(Choose({1, -kInfinity, 2}, Params(1), 9), 1);
}

TEST(Sampler, RefusesParametersThatHaveNoMeaning) {
  const auto code = [](const auto& change) {
    v1::SamplingParams params = Params(1);
    change(params);
    return SamplingState::Create(params, 1, 10).status().code();
  };
  EXPECT_EQ(code([](auto&) {}), absl::StatusCode::kOk);
  EXPECT_EQ(code([](auto& p) { p.set_top_p(0); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.set_temperature(NAN); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.add_ending_tokens(10); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.add_bad_words(); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.add_logit_bias()->set_token(-1); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.add_logit_bias()->set_bias(-kInfinity); }),
            absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.set_top_logprobs(5000); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.set_top_logprobs(-2); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) { p.set_prompt_logprobs(-2); }), absl::StatusCode::kInternal);
  EXPECT_EQ(code([](auto& p) {
              p.set_top_logprobs(SamplingState::kFull);
              p.set_prompt_logprobs(SamplingState::kFull);
            }),
            absl::StatusCode::kOk);
}

// Of a row that travels in several pieces, from parts of several sizes.
TEST(Sampler, TheWholeVocabularyHasTheBitsOfTheLikeliest) {
  constexpr int32_t kVocab = 30011, kRows = 3;
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 3);
  LogitRows rows{.num_rows = kRows, .vocab_size = kVocab, .values = {}};
  rows.values.resize(size_t{kRows} * kVocab);
  for (float& value : rows.values) value = normal(random);
  v1::SamplingParams penalised = Params(1, 0.9f);
  penalised.set_repetition_penalty(1.5f);
  const auto run = [&](int num_ranks, int32_t num_top) {
    std::vector<Sample> result;
    OverRanks(num_ranks, rows, [&](RankLogits& rank) {
      SamplingState greedy = StateOf(Params(0), kVocab);
      SamplingState changed = StateOf(penalised, kVocab, {1, 2, 3, 4, 20000, 20001});
      const std::vector<SampleRequest> requests = {
          {.row = 0, .position = 6, .state = &greedy, .num_top = num_top},
          {.row = 1, .position = 6, .given = 29999, .num_top = num_top},
          {.row = 2, .position = 6, .state = &changed, .num_top = num_top}};
      Sampler sampler(rank.ops, rank.part, kRows, rank.gather);
      auto samples = sampler.Run(rank.logits, kRows, requests);
      if (samples.ok() && rank.part.rank == 0) result = *samples;
      return samples.status();
    });
    return result;
  };
  const std::vector<Sample> likeliest = run(1, SamplingState::kMaxTop);
  for (const int num_ranks : {1, 2, 3}) {
    const std::vector<Sample> samples = run(num_ranks, SamplingState::kFull);
    ASSERT_EQ(samples.size(), size_t{kRows});
    for (size_t i = 0; i < samples.size(); ++i) {
      SCOPED_TRACE(fmt::format("{} ranks, row {}", num_ranks, i));
      const Sample& sample = samples[i];
      EXPECT_EQ(sample.token, likeliest[i].token);
      EXPECT_EQ(sample.logprob, likeliest[i].logprob);
      EXPECT_TRUE(sample.top.empty());
      ASSERT_EQ(sample.full.size(), size_t{kVocab});
      EXPECT_EQ(sample.full[sample.token], sample.logprob);
      std::set<int32_t> tokens;
      for (const TokenLogit& likely : likeliest[i].top) {
        EXPECT_EQ(sample.full[likely.token], likely.logit) << likely.token;
        tokens.insert(likely.token);
      }
      double sum = 0;
      for (int32_t token = 0; token < kVocab; ++token) {
        sum += std::exp(double{sample.full[token]});
        if (tokens.contains(token)) continue;
        EXPECT_LE(sample.full[token], likeliest[i].top.back().logit);
      }
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  }
}

// Every kind of request at once, over any number of ranks: not a bit differs.
TEST(Sampler, TheNumberOfRanksAndTheBatchDoNotShow) {
  constexpr int32_t kVocab = 1003, kRequests = 24;
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  LogitRows rows{.num_rows = kRequests, .vocab_size = kVocab, .values = {}};
  rows.values.resize(size_t{kRequests} * kVocab);
  for (float& value : rows.values) value = std::round(normal(random) * 8) / 8;  // many equals

  const auto params_of = [](int i) {
    v1::SamplingParams params = Params(i % 6 == 0 ? 0.0f : 0.3f * float(i % 6), 1, 0, i);
    if (i % 2 == 1) params.set_top_k(3 + i * 5);
    if (i % 3 == 1) params.set_top_p(0.8f);
    if (i % 4 == 1) params.set_min_p(0.01f);
    if (i % 5 == 1) params.set_typical_p(0.6f);
    if (i % 4 == 2) params.set_repetition_penalty(1.3f);
    if (i % 4 == 3) params.set_frequency_penalty(0.7f);
    return params;
  };
  const std::vector<int32_t> past = {1, 2, 3, 4, 5, 900, 901, 5, 6};
  // Samples of requests [begin, begin + count).
  const auto run = [&](int num_ranks, int begin, int count) {
    std::vector<Sample> result;
    OverRanks(num_ranks, rows, [&](RankLogits& rank) {
      std::vector<SamplingState> states;
      for (int i = 0; i < kRequests; ++i) states.push_back(StateOf(params_of(i), kVocab, past));
      std::vector<SampleRequest> requests;
      for (int i = begin; i < begin + count; ++i) {
        requests.push_back({.row = i,
                            .position = 9,
                            .state = i % 7 == 6 ? nullptr : &states[i],
                            .given = 17,
                            .with_logprob = i % 3 == 0,
                            .num_top = i % 4 == 0   ? 5 + i
                                       : i % 8 == 3 ? SamplingState::kFull
                                                    : 0});
      }
      Sampler sampler(rank.ops, rank.part, kRequests, rank.gather);
      auto samples = sampler.Run(rank.logits, kRequests, requests);
      if (samples.ok() && rank.part.rank == num_ranks - 1) result = *samples;
      return samples.status();
    });
    return result;
  };
  const std::vector<Sample> expected = run(1, 0, kRequests);
  ASSERT_EQ(expected.size(), size_t{kRequests});
  const auto expect_same = [](const Sample& a, const Sample& b, int i) {
    EXPECT_EQ(a.token, b.token) << i;
    EXPECT_EQ(a.logprob, b.logprob) << i;
    ASSERT_EQ(a.top.size(), b.top.size()) << i;
    for (size_t t = 0; t < a.top.size(); ++t) {
      EXPECT_EQ(a.top[t].token, b.top[t].token) << i;
      EXPECT_EQ(a.top[t].logit, b.top[t].logit) << i;
    }
    EXPECT_EQ(a.full.size(), i % 8 == 3 ? size_t{kVocab} : 0u) << i;
    EXPECT_EQ(a.full, b.full) << i;
  };
  for (const int num_ranks : {2, 3, 4, 7}) {
    const std::vector<Sample> samples = run(num_ranks, 0, kRequests);
    ASSERT_EQ(samples.size(), expected.size());
    for (int i = 0; i < kRequests; ++i) expect_same(samples[i], expected[i], i);
  }
  for (int i = 0; i < kRequests; ++i) expect_same(run(1, i, 1)[0], expected[i], i);
}

}  // namespace
}  // namespace switchyard::worker
