// What sampling costs a rank per step, on the CPU backend: rows of DeepSeek-V3's vocabulary of
// 129,280, undivided.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "base/check.h"
#include "kernels/backend.h"
#include "worker/sample/sampler.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kVocab = 129'280;
constexpr int32_t kPromptTokens = 3000;
constexpr int32_t kAnswerTokens = 1000;

v1::SamplingParams Params(double temperature, double top_p, int32_t top_k) {
  v1::SamplingParams params;
  params.set_temperature(float(temperature));
  params.set_top_p(float(top_p));
  params.set_top_k(top_k);
  return params;
}

struct Way {
  const char* name;
  v1::SamplingParams params;
  std::optional<int32_t> num_top;  // likeliest tokens reported; unset: no log probability
};

std::vector<Way> Ways() {
  std::vector<Way> ways = {{"greedy", Params(0, 1, 0)},
                           {"temperature", Params(0.8, 1, 0)},
                           {"top_p 0.95", Params(0.6, 0.95, 0)},
                           {"top_k 40, top_p 0.95", Params(0.6, 0.95, 40)},
                           {"greedy, 20 likeliest", Params(0, 1, 0), 20},
                           {"top_p 0.95, penalties", Params(0.6, 0.95, 0)},
                           {"greedy, presence", Params(0, 1, 0)},
                           {"greedy, repetition", Params(0, 1, 0)},
                           {"greedy, whole vocabulary", Params(0, 1, 0), SamplingState::kFull}};
  ways[5].params.set_repetition_penalty(1.1f);
  ways[5].params.set_frequency_penalty(0.2f);
  ways[6].params.set_presence_penalty(0.5f);
  ways[7].params.set_repetition_penalty(1.1f);
  return ways;
}

// Behind a prompt and an answer of random tokens.
SamplingState StateOf(const v1::SamplingParams& params, std::mt19937& random) {
  auto sampling = SamplingState::Create(params, kPromptTokens, int32_t(kVocab));
  SY_CHECK(sampling.ok()) << Message(sampling.status());
  std::vector<int32_t> past(kPromptTokens + kAnswerTokens);
  for (int32_t& token : past) token = int32_t(random() % kVocab);
  sampling->See(0, past);
  return *std::move(sampling);
}

void BM_Sample(benchmark::State& state) {
  const Way way = Ways()[state.range(0)];
  const auto num_rows = static_cast<int32_t>(state.range(1));
  auto ops = kernels::MakeCpuBackend({});
  SY_CHECK(ops.ok()) << Message(ops.status());
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> rows(num_rows * kVocab), logits(2 * rows.size());
  for (float& value : rows) value = normal(random);
  std::vector<SamplingState> states;
  std::vector<SampleRequest> requests;
  for (int32_t row = 0; row < num_rows; ++row) {
    states.push_back(StateOf(way.params, random));
  }
  for (int32_t row = 0; row < num_rows; ++row) {
    requests.push_back({.row = row,
                        .position = kPromptTokens + kAnswerTokens,
                        .state = &states[row],
                        .with_logprob = way.num_top.has_value(),
                        .num_top = way.num_top.value_or(0)});
  }
  Sampler sampler(**ops, {}, num_rows, nullptr);
  for (auto _ : state) {
    state.PauseTiming();
    std::copy(rows.begin(), rows.end(), logits.begin());  // sampling changes them
    state.ResumeTiming();
    auto samples = sampler.Run(
        kernels::TensorView(logits.data(), kernels::DType::kF32, {2 * num_rows, kVocab}), num_rows,
        requests);
    SY_CHECK(samples.ok()) << Message(samples.status());
    benchmark::DoNotOptimize(samples);
  }
  state.SetLabel(way.name);
  state.counters["us_per_row"] =
      benchmark::Counter(double(num_rows) * 1e-6, benchmark::Counter::kIsIterationInvariantRate |
                                                      benchmark::Counter::kInvert);
}
BENCHMARK(BM_Sample)
    ->ArgsProduct({{0, 1, 2, 3, 4, 5, 6, 7, 8}, {1, 16, 32}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

// What a draft's row has of its own: the state behind it, and how that changes logits.
void BM_Draft(benchmark::State& state) {
  const Way way = Ways()[state.range(0)];
  std::mt19937 random(3);
  const SamplingState sampling = StateOf(way.params, random);
  for (auto _ : state) {
    SamplingState behind = sampling;
    behind.See(kPromptTokens + kAnswerTokens, std::vector<int32_t>{17});
    benchmark::DoNotOptimize(behind.Changes().data());
  }
  state.SetLabel(way.name);
}
BENCHMARK(BM_Draft)->Arg(0)->Arg(6)->Arg(7)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace switchyard::worker

BENCHMARK_MAIN();
