// Runs models of real width here: a whole small number of layers by several workers, or one rank of
// a cluster that this machine could never be. Shows time, bytes read and memory beside the plan.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/exit_code.h"
#include "base/units.h"
#include "bench/engine/step_driver.h"
#include "bench/full_width/logits_log.h"
#include "bench/full_width/memory_report.h"
#include "bench/full_width/process_memory.h"
#include "cli/local_engine.h"
#include "cli/logits_command.h"
#include "worker/backend.h"
#include "worker/parallel/local_collectives.h"

namespace switchyard::bench {
namespace {

struct Flags {
  std::string model;
  std::string compute = "bf16";
  int data_parallel = 1;
  int tensor_parallel = 4;
  int rank = -1;  // load this one alone
  int threads = 0;
  int max_batched_tokens = 512;
  int prompt = 512;  // of batch 1; larger batches share its length
  int decode = 64;
  std::vector<int> batches = {1, 16};
  std::string digests;
  uint64_t seed = 1;
};

using Clock = std::chrono::steady_clock;
double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void PrintPeak(std::string_view when, int64_t planned) {
  const int64_t peak = PeakResidentBytes();
  fmt::print("  resident at most while {:<10}{:>16} bytes, {:+.1f} % to the plan's {}\n", when,
             peak, 100 * (double(peak) / double(planned) - 1), planned);
}

void PrintLoad(double seconds, int64_t bytes) {
  fmt::print("loaded in {:.1f} s: {} bytes read, {:.2f} GB/s\n", seconds, bytes,
             double(bytes) / seconds / 1e9);
}

int MostRunning(const Flags& flags) {
  return *std::max_element(flags.batches.begin(), flags.batches.end());
}

int64_t NumBlocks(const Flags& flags) {
  constexpr int64_t kBlockTokens = 16;  // PlanRequest's
  return MostRunning(flags) * CeilDiv(int64_t{flags.prompt} + flags.decode, kBlockTokens);
}

// Prompts of the first batch size have all of --prompt, those of larger ones a part each.
absl::Status RunSteps(const Flags& flags, cli::LocalEngine& engine) {
  StepDriver driver(engine, flags.seed);
  for (const int batch : flags.batches) {
    const int length = std::max(1, flags.prompt / batch);
    SY_ASSIGN_OR_RETURN(const double prefill, driver.Prefill(batch, length));
    fmt::print("prefill {:>3} x {:>4} tokens: {:>8.2f} s, {:>7.1f} tokens/s\n", batch, length,
               prefill, batch * length / prefill);
    std::vector<double> seconds;
    for (int i = 0; i < flags.decode; ++i) {
      SY_ASSIGN_OR_RETURN(const double step, driver.Decode());
      seconds.push_back(step);
    }
    if (seconds.empty()) continue;
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2];
    fmt::print("decode  {:>3} x {:>4} tokens: {:>8.2f} ms a step at the median, {:.1f} tokens/s\n",
               batch, flags.decode, 1e3 * median, batch / median);
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

absl::Status HoldAgainst(const LogitsLog& log, const std::string& path) {
  if (log.num_dull_rows() > 0) {
    return absl::DataLossError(
        fmt::format("{} rows of logits are constant or not finite", log.num_dull_rows()));
  }
  if (path.empty()) return absl::OkStatus();
  if (!std::filesystem::exists(path)) {
    SY_RETURN_IF_ERROR(log.Save(path));
    fmt::print("digests of {} rows of logits are in {}\n", log.num_rows(), path);
    return absl::OkStatus();
  }
  SY_RETURN_IF_ERROR(log.CompareWith(path));
  fmt::print("all {} rows of logits are to the bit those of {}\n", log.num_rows(), path);
  return absl::OkStatus();
}

absl::Status RunAll(const Flags& flags, v1::ComputeMode compute, const v1::ModelSpec& model) {
  LogitsLog log(model.vocab_size());
  const Clock::time_point begin = Clock::now();
  SY_ASSIGN_OR_RETURN(
      const std::unique_ptr<cli::LocalEngine> engine,
      cli::LocalEngine::Create(
          {.model_path = flags.model,
           .data_parallel = flags.data_parallel,
           .tensor_parallel = flags.tensor_parallel,
           .compute = compute,
           .max_batched_tokens = flags.max_batched_tokens,
           .max_running = MostRunning(flags),
           .num_kv_blocks = NumBlocks(flags),
           .num_threads = flags.threads,
           .backend = "cpu",
           .load_progress = true,
           .logits_sink = [&log](uint64_t id, int32_t position,
                                 const float* logits) { log.Add(id, position, logits); },
           .sink_positions = worker::SinkPositions::kSampled}));
  const double load_seconds = SecondsSince(begin);
  std::vector<LoadedRank> ranks;
  int64_t bytes_read = 0;
  for (int rank = 0; rank < flags.data_parallel * flags.tensor_parallel; ++rank) {
    ranks.push_back({rank, &engine->executor(rank)});
    bytes_read += engine->executor(rank).weight_bytes_read();
  }
  PrintLoad(load_seconds, bytes_read);
  PrintMemory(engine->plan(), ranks);
  PrintPeak("loading", PlannedBytes(engine->plan(), ranks));
  fmt::print("\n");
  ForgetPeak();
  SY_RETURN_IF_ERROR(RunSteps(flags, *engine));
  PrintPeak("computing", PlannedBytes(engine->plan(), ranks));
  return HoldAgainst(log, flags.digests);
}

// A rank without its peers: loading is no collective.
absl::Status LoadOneRank(const Flags& flags, v1::ComputeMode compute, const v1::ModelSpec& model) {
  const int world = flags.data_parallel * flags.tensor_parallel;
  if (flags.rank >= world) {
    return absl::InvalidArgumentError(
        fmt::format("--rank {}: the layout has {} ranks", flags.rank, world));
  }
  SY_ASSIGN_OR_RETURN(
      const v1::ShardPlan plan,
      core::MakeShardPlan(model, {.data_parallel = flags.data_parallel,
                                  .tensor_parallel = flags.tensor_parallel,
                                  .compute = compute,
                                  .max_batched_tokens = flags.max_batched_tokens,
                                  .max_running = MostRunning(flags),
                                  .kv_num_blocks = static_cast<int32_t>(NumBlocks(flags))}));
  SY_ASSIGN_OR_RETURN(const auto backend,
                      worker::MakeBackend({.backend = "cpu", .num_threads = flags.threads}));
  auto worlds = worker::MakeLocalCollectives(world);
  auto groups = worker::MakeLocalCollectives(flags.tensor_parallel);
  const Clock::time_point begin = Clock::now();
  SY_ASSIGN_OR_RETURN(
      const auto executor,
      worker::Executor::Create(
          plan, flags.rank, flags.model, backend->ops(), *worlds[static_cast<size_t>(flags.rank)],
          *groups[static_cast<size_t>(flags.rank % flags.tensor_parallel)], {}));
  PrintLoad(SecondsSince(begin), executor->weight_bytes_read());
  const std::vector<LoadedRank> ranks = {{flags.rank, executor.get()}};
  PrintMemory(plan, ranks);
  PrintPeak("loading", PlannedBytes(plan, ranks));
  return absl::OkStatus();
}

absl::Status RunBench(const Flags& flags) {
  SY_ASSIGN_OR_RETURN(const int compute, cli::ParseComputeMode(flags.compute));
  SY_ASSIGN_OR_RETURN(const v1::ModelSpec model, cli::ReadModelSpec(flags.model));
  fmt::print("{}: {} layers of width {}, {} experts; {} x {} ranks, {}\n", flags.model,
             model.num_layers(), model.hidden_size(), model.moe().num_routed_experts(),
             flags.data_parallel, flags.tensor_parallel,
             flags.rank >= 0 ? fmt::format("rank {} alone", flags.rank) : "all here");
  const auto mode = static_cast<v1::ComputeMode>(compute);
  return flags.rank >= 0 ? LoadOneRank(flags, mode, model) : RunAll(flags, mode, model);
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  using namespace switchyard;
  bench::Flags flags;
  CLI::App app(
      "Loads and runs layers of the real width, or loads one rank of a large cluster, beside the "
      "plan's figures.\nMake a slice with: switchyard synth --config "
      "bench/shapes/v3-full-width.json --dtype fp8 --out DIR\nand all headers of the largest model "
      "with: switchyard synth --config bench/shapes/v3-671b.json --dtype fp8 --sparse --out DIR");
  app.add_option("--model", flags.model, "Folder of the checkpoint")->required();
  app.add_option("--compute", flags.compute, "bf16, f32 or w8a8")->capture_default_str();
  app.add_option("--dp", flags.data_parallel, "Attention groups")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--tp", flags.tensor_parallel, "Ranks of a group")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--rank", flags.rank, "Load this rank alone, and compute nothing")
      ->check(CLI::Range(0, 1 << 18));
  app.add_option("--threads", flags.threads, "Of all ranks together; 0: one per core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--max-batched-tokens", flags.max_batched_tokens, "Of one group in one step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--prompt", flags.prompt, "Prompt tokens of all sequences of a batch together")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--decode", flags.decode, "Tokens of each sequence after its prompt")
      ->check(CLI::Range(0, 65536))
      ->capture_default_str();
  app.add_option("--batch", flags.batches, "Sequences at a time, one run for each")
      ->check(CLI::Range(1, 1024))
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--digests", flags.digests,
                 "Hold logits against this file, or make it if there is none");
  app.add_option("--seed", flags.seed, "Of the random tokens")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ReportAndExitCode("bench_full_width", bench::RunBench(flags));
}
