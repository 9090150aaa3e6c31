// Times the matrix ops at the shapes of kernels/cases/linear.h, each beside the limit of the
// machine that it runs into. Weights come from memory, not from a cache: every case has copies of
// its matrix and walks through them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "bench/kernels/host_matrix.h"
#include "bench/kernels/machine_probe.h"
#include "kernels/cases/linear.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/linear.h"
#include "kernels/op_cost.h"

namespace switchyard::bench {
namespace {

using namespace kernels;  // the bench is about nothing else

struct Flags {
  int threads = 0;
  int first_cpu = -1;
  std::string isa = "auto";
  std::string filter;
  double seconds = 0.2;  // per measured line
};

std::vector<float> RandomFloats(int64_t count) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = uniform(random);
  return values;
}

struct Precision {
  const char* name;
  DType weight;
  Compute compute;
  WeightForm form = WeightForm::kStored;

  // The type whose bytes are read.
  DType packed() const {
    return form == WeightForm::kInt8 ? DType::kI8 : form == WeightForm::kInt4 ? DType::kU4 : weight;
  }
};
constexpr Precision kPrecisions[] = {{"bf16", DType::kBf16, Compute::kBf16},
                                     {"fp8", DType::kF8E4M3, Compute::kBf16},
                                     {"w8a8", DType::kF8E4M3, Compute::kW8A8},
                                     {"f32", DType::kF32, Compute::kF32},
                                     {"q8", DType::kF32, Compute::kBf16, WeightForm::kInt8},
                                     {"q4", DType::kF32, Compute::kBf16, WeightForm::kInt4}};

class Bench {
 public:
  Bench(const Flags& flags, const cpu::ThreadPool::Options& threads, cpu::Isa isa)
      : flags_(flags),
        pool_(threads),
        cpu_{.pool = pool_, .isa = isa},
        device_(isa),
        probe_(pool_) {}

  void Run() {
    limits_ = probe_.Measure();
    fmt::print("{} threads, {}: {}\n\n", pool_.num_threads(), Name(cpu_.isa), limits_.ToString());
    fmt::print("{:<34}{:>6}{:>12}{:>9}{:>7}{:>10}{:>7}\n", "op", "rows", "us", "GB/s", "share",
               "GFLOP/s", "share");
    for (const Precision& precision : kPrecisions) {
      for (const cases::LinearCase& shape : cases::kSmallV3) RunLinear(precision, shape);
      RunGroupedMlp(precision, {1, 8, 32, 512});
    }
    RunRegion();
  }

 private:
  static constexpr int64_t kColdBytes = 160 << 20;  // of copies: more than a last-level cache

  bool Wanted(const std::string& name) const {
    return name.find(flags_.filter) != std::string::npos;
  }

  void RunLinear(const Precision& precision, const cases::LinearCase& shape) {
    const std::string name =
        fmt::format("{} {} {}x{}", precision.name, shape.name, shape.n, shape.k);
    if (!Wanted(name)) return;
    const HostMatrix host(shape.n, shape.k, precision.weight);
    LinearSource source = host.source;
    source.compute = precision.compute;
    source.form = precision.form;
    std::vector<std::unique_ptr<PackedLinear>> copies;
    const double bytes = WeightBytes(shape.n, shape.k, precision.packed());
    for (double packed = 0; packed < kColdBytes; packed += bytes)
      copies.push_back(cpu::Pack(cpu_, device_, source));
    for (const int64_t rows : {1, 2, 4, 6, 8, 12, 16, 32, 128, 512}) {
      const std::vector<float> x = RandomFloats(rows * shape.k);
      std::vector<float> y(static_cast<size_t>(rows * shape.n));
      size_t next = 0;
      const OpCost cost =
          LinearCost({.rows = rows, .n = shape.n, .k = shape.k, .weight = precision.packed()});
      Report(name, rows, precision, cost, [&] {
        cpu::Linear(cpu_, {.x = TensorView(x.data(), DType::kF32, {rows, shape.k}),
                           .weight = copies[next++ % copies.size()].get(),
                           .y = TensorView(y.data(), DType::kF32, {rows, shape.n})});
      });
    }
  }

  // The experts of one layer; every token draws its own 8 of 64.
  void RunGroupedMlp(const Precision& precision, std::initializer_list<int64_t> token_counts) {
    constexpr int64_t kHidden = 2048, kWidth = 1024, kExperts = 64, kTopK = 8;
    const std::string name = fmt::format("{} 8 of 64 experts", precision.name);
    if (!Wanted(name)) return;
    const HostMatrix up(kWidth, kHidden, precision.weight), down(kHidden, kWidth, precision.weight);
    LinearSource up_source = up.source, down_source = down.source;
    up_source.compute = down_source.compute = precision.compute;
    up_source.form = down_source.form = precision.form;
    std::vector<MlpWeights> experts(kExperts);
    for (MlpWeights& expert : experts) {
      expert.gate_up = cpu::PackGateUp(cpu_, device_, up_source, up_source);
      expert.down = cpu::Pack(cpu_, device_, down_source);
    }
    std::mt19937 random(5);
    for (const int64_t tokens : token_counts) {
      const int64_t rows = tokens * kTopK;
      const std::vector<float> x = RandomFloats(rows * kHidden);
      std::vector<float> y(x.size());
      std::vector<std::vector<const MlpWeights*>> mlps(16);
      std::vector<std::vector<int32_t>> offsets(mlps.size());
      double active = 0;
      for (size_t i = 0; i < mlps.size(); ++i)
        active += Route(tokens, experts, random, mlps[i], offsets[i]);
      const auto mean_active =
          static_cast<int64_t>(active / static_cast<double>(mlps.size()) + 0.5);
      const OpCost cost = GroupedMlpCost({.rows = rows,
                                          .active_blocks = mean_active,
                                          .hidden = kHidden,
                                          .width = kWidth,
                                          .weight = precision.packed()});
      size_t next = 0;
      Report(name, tokens, precision, cost, [&] {
        const size_t i = next++ % mlps.size();
        cpu::GroupedMlp(cpu_, {.x = TensorView(x.data(), DType::kF32, {rows, kHidden}),
                               .offsets = offsets[i],
                               .mlps = mlps[i],
                               .y = TensorView(y.data(), DType::kF32, {rows, kHidden})});
      });
    }
  }

  // Draws 8 different experts per token; returns how many experts have rows.
  static double Route(int64_t tokens, const std::vector<MlpWeights>& experts, std::mt19937& random,
                      std::vector<const MlpWeights*>& mlps, std::vector<int32_t>& offsets) {
    constexpr size_t kTopK = 8;
    std::vector<int32_t> rows(experts.size(), 0);
    std::vector<size_t> order(experts.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (int64_t token = 0; token < tokens; ++token) {
      for (size_t i = 0; i < kTopK; ++i) {
        std::swap(order[i], order[i + random() % (order.size() - i)]);
        ++rows[order[i]];
      }
    }
    offsets.push_back(0);
    double active = 0;
    for (size_t i = 0; i < experts.size(); ++i) {
      mlps.push_back(&experts[i]);
      offsets.push_back(offsets.back() + rows[i]);
      active += rows[i] > 0;
    }
    return active;
  }

  void RunRegion() {
    if (!Wanted("empty region")) return;
    const double seconds = LeastSeconds([&] { pool_.Run([](int) {}); });
    fmt::print("{:<34}{:>6}{:>12.2f}\n", "empty region", "", seconds * 1e6);
  }

  // The fastest trial, like the probe's: on a shared machine every other one measures the
  // neighbours too.
  template <typename Op>
  double LeastSeconds(const Op& op) const {
    double least = std::numeric_limits<double>::infinity(), total = 0;
    for (int trial = 0; trial < 5 || total < flags_.seconds; ++trial) {
      const auto begin = std::chrono::steady_clock::now();
      op();
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      least = std::min(least, seconds);
      total += seconds;
    }
    return least;
  }

  template <typename Op>
  void Report(const std::string& name, int64_t rows, const Precision& precision, const OpCost& cost,
              const Op& op) {
    const double seconds = LeastSeconds(op);
    const double peak = precision.compute == Compute::kF32 ? limits_.f32_flops : limits_.bf16_flops;
    const double bandwidth = cost.bytes / seconds, flops = cost.flops / seconds;
    fmt::print("{:<34}{:>6}{:>12.1f}{:>9.1f}{:>6.0f}%{:>10.0f}{:>6.0f}%\n", name, rows,
               seconds * 1e6, bandwidth / 1e9, 100 * bandwidth / probe_.ReadBytesPerSecond(),
               flops / 1e9, peak > 0 ? 100 * flops / peak : 0);
    std::fflush(stdout);
  }

  const Flags flags_;
  cpu::ThreadPool pool_;
  const cpu::CpuContext cpu_;
  cpu::CpuDevice device_;
  const MachineProbe probe_;
  MachineLimits limits_;
};

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Times the matrix kernels beside what the machine can do");
  app.add_option("--threads", flags.threads, "0: one per core");
  app.add_option("--first-cpu", flags.first_cpu, "pin threads from this core on; -1: do not pin");
  app.add_option("--isa", flags.isa, "auto, portable, avx2, avx512 or avx512-bf16");
  app.add_option("--filter", flags.filter, "only ops whose name has this in it");
  app.add_option("--seconds", flags.seconds, "to spend on each line");
  CLI11_PARSE(app, argc, argv);
  const auto isa = cpu::ChooseIsa(flags.isa);
  const auto threads =
      cpu::ChooseThreads({.num_threads = flags.threads, .first_cpu = flags.first_cpu});
  for (const absl::Status& status : {isa.status(), threads.status()}) {
    if (status.ok()) continue;
    fmt::print(stderr, "{}\n", Message(status));
    return 2;
  }
  Bench(flags, *threads, *isa).Run();
  return 0;
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) { return switchyard::bench::Main(argc, argv); }
