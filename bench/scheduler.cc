// What the scheduler costs per step: one plan, and the taking of its result, while every running
// request generates; and in memory: what a waiting request takes beside its tokens.
#include "coordinator/core/sched/scheduler.h"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/check.h"

namespace switchyard::core {
namespace {

constexpr int32_t kPromptTokens = 100;
constexpr int32_t kAnswerTokens = 3000;
constexpr int32_t kTenants = 10;

void AdmitOne(Scheduler& scheduler, RequestId id, int32_t num_tenants = kTenants) {
  NewRequest request{.id = id,
                     .prompt_tokens = std::vector<int32_t>(kPromptTokens, 7),
                     .max_tokens = kAnswerTokens,
                     .tenant = std::to_string(id % num_tenants)};
  const absl::Status status = scheduler.Admit(std::move(request));
  SY_CHECK(status.ok()) << status;
}

// The result that answers `plan`; its messages are used again.
void Answer(const v1::StepPlan& plan, v1::StepResult& result) {
  result.clear_sampled();
  result.set_epoch(plan.epoch());
  result.set_step(plan.step());
  for (const v1::GroupWork& group : plan.groups()) {
    for (const v1::SequenceWork& work : group.sequences()) {
      if (!work.sample()) continue;
      v1::SampledToken* sampled = result.add_sampled();
      sampled->set_sequence_id(work.sequence_id());
      sampled->set_position(work.begin_position() +
                            (work.use_last_sampled() ? 1 : work.tokens_size()));
      sampled->set_token(5);
    }
  }
}

// Arguments: running requests, waiting requests, tenants. With one tenant more than requests that
// run each step asks whom it could take a place from.
void BM_DecodeStep(benchmark::State& state) {
  const int32_t num_running = int32_t(state.range(0));
  const int32_t num_waiting = int32_t(state.range(1));
  const int32_t num_tenants = int32_t(state.range(2));
  Scheduler scheduler({.max_batched_tokens = 8192,
                       .max_running = num_running,
                       .max_waiting = num_running + num_waiting,
                       .num_blocks = num_running * 256,
                       .max_context = 4096,
                       .vocab_size = 1000});
  RequestId next_id = 1;
  for (int32_t i = 0; i < num_running + num_waiting; ++i) {
    AdmitOne(scheduler, next_id++, num_tenants);
  }
  v1::StepPlan plan;
  v1::StepResult result;
  using Clock = std::chrono::steady_clock;
  Clock::duration planning{0}, taking{0};
  for (auto _ : state) {
    const Clock::time_point begin = Clock::now();
    SY_CHECK(scheduler.NextPlan(plan));
    const Clock::time_point planned = Clock::now();
    planning += planned - begin;
    Answer(plan, result);
    const Clock::time_point answered = Clock::now();
    const auto outcome = scheduler.Complete(result, {});
    const Clock::time_point end = Clock::now();
    taking += end - answered;
    for (size_t i = 0; i < outcome->finished.size(); ++i) {
      AdmitOne(scheduler, next_id++, num_tenants);
    }
    state.SetIterationTime(
        std::chrono::duration<double>((planned - begin) + (end - answered)).count());
  }
  const auto mean_us = [&](Clock::duration total) {
    return std::chrono::duration<double, std::micro>(total).count() / double(state.iterations());
  };
  state.counters["plan_us"] = mean_us(planning);
  state.counters["result_us"] = mean_us(taking);
  state.counters["running"] = scheduler.num_running();
  state.counters["waiting"] = scheduler.num_waiting();
}
BENCHMARK(BM_DecodeStep)
    ->Args({1, 0, kTenants})
    ->Args({32, 0, kTenants})
    ->Args({32, 10000, kTenants})
    ->Args({256, 0, kTenants})
    ->Args({1000, 10000, kTenants})
    ->Args({1000, 10000, 1001})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// Bytes of the heap for each request that waits, less those of its tokens.
void BM_WaitingRequest(benchmark::State& state) {
  constexpr int32_t kWaiting = 10000;
  double bytes = 0;
  for (auto _ : state) {
    Scheduler scheduler(
        {.max_waiting = kWaiting, .num_blocks = 1024, .max_context = 4096, .vocab_size = 1000});
    const size_t before = mallinfo2().uordblks;
    for (int32_t i = 0; i < kWaiting; ++i) AdmitOne(scheduler, RequestId(i + 1));
    bytes = double(mallinfo2().uordblks - before) / kWaiting - kPromptTokens * sizeof(int32_t);
  }
  state.counters["bytes_beside_tokens"] = bytes;
}
BENCHMARK(BM_WaitingRequest)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace switchyard::core

BENCHMARK_MAIN();
