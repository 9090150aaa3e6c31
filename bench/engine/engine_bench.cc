// Times whole forward passes of a checkpoint beside what the machine could do at that moment:
// generated tokens against the bandwidth of memory, prompts against the BF16 dot product.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/exit_code.h"
#include "base/units.h"
#include "bench/engine/model_cost.h"
#include "bench/engine/step_driver.h"
#include "bench/kernels/machine_probe.h"
#include "cli/local_engine.h"
#include "cli/logits_command.h"
#include "coordinator/core/plan/weight_form.h"

namespace switchyard::bench {
namespace {

constexpr int kMaxTimings = 128;

struct Flags {
  std::string model;
  std::string compute = "bf16";
  std::string weights = "stored";
  int data_parallel = 1;
  int tensor_parallel = 1;
  int threads = 0;
  std::vector<int> batches = {1, 8, 32};
  int context = 128;
  int prefill = 512;
  double seconds = 3;  // per line
  int timings = 5;     // per line, at least
  uint64_t seed = 1;
};

constexpr int kWarmups = 2;

// Counts the experts that a step's tokens are routed to; ranks record at the same time.
class ExpertCounter final : public worker::Trace {
 public:
  explicit ExpertCounter(const v1::ModelSpec& model)
      : num_experts_(model.moe().num_routed_experts()),
        active_(static_cast<size_t>(model.num_layers()) * num_experts_) {}

  void Record(std::string_view name, int layer, const kernels::TensorView& tensor) override {
    if (name != "router_ids") return;
    std::lock_guard lock(mutex_);
    for (int64_t row = 0; row < tensor.rows(); ++row) {
      for (int64_t i = 0; i < tensor.RowElements(); ++i) {
        active_[layer * num_experts_ + tensor.row<int32_t>(row)[i]] = true;
      }
    }
  }

  int64_t TakeCount() {
    std::lock_guard lock(mutex_);
    const int64_t count = std::count(active_.begin(), active_.end(), true);
    std::fill(active_.begin(), active_.end(), false);
    return count;
  }

 private:
  const size_t num_experts_;
  std::mutex mutex_;
  std::vector<bool> active_;  // [layers, experts]
};

// Of all threads of this process.
double CpuSeconds() { return double(std::clock()) / CLOCKS_PER_SEC; }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// One line of the table: work done in a step, against what the probe says before and after.
struct Line {
  std::string what;
  double tokens = 0;            // per timing
  std::vector<double> seconds;  // of each timing
  double cpu_seconds = 0;       // of all threads, in all timings
  std::vector<double> work;     // bytes or FLOPs of each timing
  double limit_before = 0;      // of the machine, in work per second
  double limit_after = 0;
  std::string unit;

  void Add(double step_seconds, double step_work) {
    seconds.push_back(step_seconds);
    work.push_back(step_work);
  }

  void Print() const {
    std::vector<double> rates;
    for (size_t i = 0; i < seconds.size(); ++i) rates.push_back(work[i] / seconds[i]);
    const double limit = (limit_before + limit_after) / 2;
    const double typical = Median(rates);
    const double best = *std::max_element(rates.begin(), rates.end());
    const double total = std::accumulate(seconds.begin(), seconds.end(), 0.0);
    fmt::print(
        "{:<12}{:>6}{:>6.2f}{:>11.2f}{:>10.1f}{:>10.3f}{:>9.1f}{:>9.1f}{:>9.1f} "
        "{:<6}{:>6.0f}%{:>6.0f}%\n",
        what, seconds.size(), cpu_seconds / total, Median(seconds) * 1e3, tokens / Median(seconds),
        Median(work) / tokens / 1e9, typical / 1e9, limit_before / 1e9, limit_after / 1e9, unit,
        100 * typical / limit, 100 * best / limit);
    std::fflush(stdout);
  }
};

class EngineBench {
 public:
  EngineBench(const Flags& flags, cli::LocalEngine& engine, ExpertCounter& experts)
      : flags_(flags),
        engine_(engine),
        experts_(experts),
        driver_(engine, flags.seed),
        pool_({.num_threads = flags.threads}),
        probe_(pool_) {}

  absl::Status Run() {
    fmt::print("{} threads: {}\n", flags_.threads, probe_.Measure().ToString());
    fmt::print(
        "cores: that the system gave us; share: of the probes before and after, at the median step "
        "and the fastest\n\n"
        "{:<12}{:>6}{:>6}{:>11}{:>10}{:>10}{:>9}{:>9}{:>9} {:<6}{:>7}{:>7}\n",
        "what", "steps", "cores", "ms/step", "tokens/s", "G/token", "G/s", "before", "after",
        "unit", "share", "best");
    for (const int batch : flags_.batches) SY_RETURN_IF_ERROR(RunDecode(batch));
    return flags_.prefill > 0 ? RunPrefill() : absl::OkStatus();
  }

 private:
  bool Enough(const Line& line) const {
    double total = 0;
    for (const double seconds : line.seconds) total += seconds;
    return std::ssize(line.seconds) >= kMaxTimings ||
           (total >= flags_.seconds && std::ssize(line.seconds) >= flags_.timings);
  }

  absl::Status RunDecode(int batch) {
    const int per_group = static_cast<int>(CeilDiv(batch, flags_.data_parallel));
    SY_RETURN_IF_ERROR(driver_.Prefill(per_group, flags_.context).status());
    for (int i = 0; i < kWarmups; ++i) SY_RETURN_IF_ERROR(driver_.Decode().status());
    Line line{.what = fmt::format("decode {}", batch),
              .tokens = double(per_group) * flags_.data_parallel,
              .limit_before = probe_.ReadBytesPerSecond(),
              .unit = "GB"};
    const double cpu_before = CpuSeconds();
    while (!Enough(line)) {
      experts_.TakeCount();
      SY_ASSIGN_OR_RETURN(const double seconds, driver_.Decode());
      line.Add(seconds, DecodeWeightBytes(engine_.plan(), experts_.TakeCount()));
    }
    line.cpu_seconds = CpuSeconds() - cpu_before;
    line.limit_after = probe_.ReadBytesPerSecond();
    line.Print();
    return absl::OkStatus();
  }

  absl::Status RunPrefill() {
    SY_RETURN_IF_ERROR(driver_.Prefill(1, flags_.prefill).status());
    Line line{.what = fmt::format("prefill {}", flags_.prefill),
              .tokens = double(flags_.prefill) * flags_.data_parallel,
              .limit_before = probe_.Measure().bf16_flops,
              .unit = "GFLOP"};
    const double flops =
        PrefillFlops(engine_.plan().model(), flags_.prefill) * flags_.data_parallel;
    const double cpu_before = CpuSeconds();
    while (!Enough(line)) {
      SY_ASSIGN_OR_RETURN(const double seconds, driver_.Prefill(1, flags_.prefill));
      line.Add(seconds, flops);
    }
    line.cpu_seconds = CpuSeconds() - cpu_before;
    line.limit_after = probe_.Measure().bf16_flops;
    line.Print();
    return absl::OkStatus();
  }

  const Flags& flags_;
  cli::LocalEngine& engine_;
  ExpertCounter& experts_;
  StepDriver driver_;
  kernels::cpu::ThreadPool pool_;
  const MachineProbe probe_;
};

absl::Status RunBench(Flags flags) {
  if (flags.threads == 0) flags.threads = static_cast<int>(std::thread::hardware_concurrency());
  SY_ASSIGN_OR_RETURN(const int compute, cli::ParseComputeMode(flags.compute));
  SY_ASSIGN_OR_RETURN(const v1::WeightForm weights, core::ParseWeightForm(flags.weights));
  SY_ASSIGN_OR_RETURN(const v1::ModelSpec model, cli::ReadModelSpec(flags.model));
  ExpertCounter experts(model);
  const int widest = *std::max_element(flags.batches.begin(), flags.batches.end());
  const int max_running = static_cast<int>(CeilDiv(widest, flags.data_parallel));
  constexpr int64_t kBlockTokens = 16;  // PlanRequest's
  const int64_t longest = std::max(flags.context + kWarmups + kMaxTimings, flags.prefill);
  SY_ASSIGN_OR_RETURN(
      const std::unique_ptr<cli::LocalEngine> engine,
      cli::LocalEngine::Create({.model_path = flags.model,
                                .data_parallel = flags.data_parallel,
                                .tensor_parallel = flags.tensor_parallel,
                                .compute = static_cast<v1::ComputeMode>(compute),
                                .weights = weights,
                                .max_batched_tokens = std::max({512, max_running, flags.prefill}),
                                .max_running = max_running,
                                .num_kv_blocks = max_running * CeilDiv(longest, kBlockTokens),
                                .num_threads = flags.threads,
                                .load_progress = true,
                                .trace = &experts}));
  fmt::print("{}, {}, {} x {} ranks, weights of {}\n", flags.model, flags.compute,
             flags.data_parallel, flags.tensor_parallel, core::DescribeWeights(model, weights));
  return EngineBench(flags, *engine, experts).Run();
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  using namespace switchyard;
  bench::Flags flags;
  CLI::App app(
      "Times decode and prefill of a checkpoint in this process, beside the machine's limits.\n"
      "Make one with: switchyard synth --config bench/shapes/v3-small.json --dtype bf16 --out DIR");
  app.add_option("--model", flags.model, "Folder of the checkpoint")->required();
  app.add_option("--compute", flags.compute, "bf16, f32 or w8a8")->capture_default_str();
  app.add_option("--weights", flags.weights, "stored, q8 or q4")->capture_default_str();
  app.add_option("--dp", flags.data_parallel, "Attention groups")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--tp", flags.tensor_parallel, "Ranks of a group")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "Of all ranks together; 0: one per core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--batch", flags.batches, "Sequences decoded together")
      ->check(CLI::Range(1, 1024))
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--context", flags.context, "Prompt tokens before decoding")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--prefill", flags.prefill, "Tokens of the timed prompt; 0: none")
      ->check(CLI::Range(0, 65536))
      ->capture_default_str();
  app.add_option("--seconds", flags.seconds, "Of timing per line")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  app.add_option("--timings", flags.timings, "Per line, at least")
      ->check(CLI::Range(1, bench::kMaxTimings))
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "Of the random tokens")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ReportAndExitCode("bench_engine", bench::RunBench(std::move(flags)));
}
