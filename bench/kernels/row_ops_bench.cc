// Times attention and the ops that walk rows at the shapes of kernels/cases, each beside the limit
// of the machine that it runs into.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/kernels/machine_probe.h"
#include "kernels/cases/attention.h"
#include "kernels/cases/gqa.h"
#include "kernels/cases/moe.h"
#include "kernels/cases/rows.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/moe.h"
#include "kernels/cpu/rows.h"
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
    fmt::print("{:<34}{:>7}{:>12}{:>9}{:>7}{:>10}{:>7}\n", "op", "tokens", "us", "GB/s", "share",
               "GFLOP/s", "share");
    for (const cases::AttentionCase& shape : cases::kServedAttention) {
      for (bool bf16 : {true, false}) {
        for (int64_t tokens : cases::kPrefillTokens) RunPrefill(shape, tokens, bf16);
      }
      for (DType type : {DType::kBf16, DType::kF32}) {
        for (int64_t position : cases::kDecodePositions) RunDecode(shape, {position}, type);
        RunDecode(shape, std::vector<int64_t>(16, 2000), type);
      }
    }
    for (const cases::GqaCase& shape : cases::kServedGqa) {
      for (int64_t tokens : cases::kPrefillTokens) RunGqaPrefill(shape, tokens);
      for (int64_t position : cases::kDecodePositions) RunGqaDecode(shape, {position});
      RunGqaDecode(shape, std::vector<int64_t>(16, 2000));
    }
    for (int64_t rows : cases::kRowCounts) RunRows(rows, 2048);
    for (const cases::MoeCase& shape : cases::kServedMoe) {
      for (int64_t tokens : cases::kMoeTokens) RunMoe(shape, tokens);
    }
  }

 private:
  bool Wanted(const std::string& name) const {
    return name.find(flags_.filter) != std::string::npos;
  }

  // A whole prompt in one chunk: all its tiles.
  void RunPrefill(const cases::AttentionCase& shape, int64_t tokens, bool bf16) {
    const std::string name = fmt::format("prefill {} {}", shape.name, bf16 ? "bf16" : "f32");
    if (!Wanted(name)) return;
    const int64_t qk = shape.nope + shape.rope, kv_width = shape.nope + shape.value;
    const auto q = RandomFloats(tokens * shape.heads * qk);
    const auto kv = RandomFloats(tokens * shape.heads * kv_width);
    const auto k_pe = RandomFloats(tokens * shape.rope);
    std::vector<float> state(static_cast<size_t>(tokens * shape.heads * (shape.value + 2)));
    std::vector<float> out(static_cast<size_t>(tokens * shape.heads * shape.value));
    std::vector<int32_t> positions(static_cast<size_t>(tokens));
    std::iota(positions.begin(), positions.end(), 0);
    const TensorView kv_view(kv.data(), DType::kF32, {tokens, shape.heads, kv_width});
    const TensorView k_pe_view(k_pe.data(), DType::kF32, {tokens, shape.rope});
    const double pairs = static_cast<double>(tokens * (tokens + 1) / 2 * shape.heads);
    const OpCost cost = {.bytes = static_cast<double>(q.size() + kv.size() + out.size()) * 4,
                         .flops = pairs * 2 * static_cast<double>(qk + shape.value)};
    Report(name, tokens, bf16, cost, [&] {
      for (int64_t tile = 0; tile < tokens; tile += kPrefillTileTokens) {
        const int64_t count = std::min(kPrefillTileTokens, tokens - tile);
        cpu::PrefillAttention(
            cpu_,
            {.q = TensorView(q.data(), DType::kF32, {tokens, shape.heads, qk}),
             .positions = positions,
             .kv = kv_view.Rows(tile, count),
             .k_pe = k_pe_view.Rows(tile, count),
             .tile_begin = tile,
             .scale = 0.1f,
             .state = TensorView(state.data(), DType::kF32, {tokens, shape.heads, shape.value + 2}),
             .last = tile + count == tokens,
             .out = TensorView(out.data(), DType::kF32, {tokens, shape.heads, shape.value}),
             .bf16 = bf16});
      }
    });
  }

  // Each position is a sequence of its own, its blocks strewn over a cache that is larger than the
  // processor's.
  void RunDecode(const cases::AttentionCase& shape, const std::vector<int64_t>& rows, DType type) {
    const std::string name =
        fmt::format("decode {} {} at {}", shape.name, kernels::Name(type), rows.front());
    if (!Wanted(name)) return;
    constexpr int64_t kBlockTokens = 64;
    constexpr int64_t kColdBytes = 160 << 20;
    const int64_t width = shape.latent + shape.rope;
    const int64_t block_bytes = kBlockTokens * width * SizeOf(type);
    int64_t step_blocks = 0;
    for (int64_t position : rows) step_blocks += position / kBlockTokens + 1;
    const int64_t num_blocks = step_blocks + kColdBytes / block_bytes;
    const Buffer cache = device_.Allocate(num_blocks * block_bytes);
    FillCache(cache, num_blocks * kBlockTokens * width, type);
    std::vector<int32_t> blocks(static_cast<size_t>(num_blocks));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937(3));

    const auto tokens = static_cast<int64_t>(rows.size());
    const auto qa = RandomFloats(tokens * shape.heads * shape.latent);
    const auto q_pe = RandomFloats(tokens * shape.heads * shape.rope);
    std::vector<float> out(qa.size());
    const std::vector<int32_t> positions(rows.begin(), rows.end());
    double keys = 0;
    for (int64_t position : rows) keys += static_cast<double>(position + 1);
    const OpCost cost = {
        .bytes = keys * static_cast<double>(width * SizeOf(type)),
        .flops = keys * static_cast<double>(shape.heads * 2 * (width + shape.latent))};
    int64_t next = 0;
    std::vector<const int32_t*> tables(rows.size());
    Report(name, tokens, type == DType::kBf16, cost, [&] {
      for (size_t row = 0; row < rows.size(); ++row) {
        const int64_t count = rows[row] / kBlockTokens + 1;
        if (next + count > num_blocks) next = 0;
        tables[row] = blocks.data() + next;
        next += count;
      }
      cpu::DecodeAttention(
          cpu_, {.qa = TensorView(qa.data(), DType::kF32, {tokens, shape.heads, shape.latent}),
                 .q_pe = TensorView(q_pe.data(), DType::kF32, {tokens, shape.heads, shape.rope}),
                 .positions = positions,
                 .cache = TensorView(cache.data(), type, {num_blocks, kBlockTokens, width}),
                 .tables = tables,
                 .scale = 0.05f,
                 .out = TensorView(out.data(), DType::kF32, {tokens, shape.heads, shape.latent})});
    });
  }

  // A cache in BF16 that is larger than the processor's, its blocks strewn.
  struct GqaCache {
    static constexpr int64_t kBlockTokens = 64;

    GqaCache(cpu::CpuDevice& device, const cases::GqaCase& shape, int64_t step_blocks) {
      constexpr int64_t kColdBytes = 160 << 20;
      const int64_t block_elements = shape.kv_heads * 2 * kBlockTokens * shape.dim;
      const int64_t num_blocks = step_blocks + kColdBytes / (2 * block_elements);
      memory = device.Allocate(num_blocks * block_elements * 2);
      FillCache(memory, num_blocks * block_elements, DType::kBf16);
      view = TensorView(memory.data(), DType::kBf16,
                        {num_blocks, shape.kv_heads, 2 * kBlockTokens, shape.dim});
      blocks.resize(static_cast<size_t>(num_blocks));
      std::iota(blocks.begin(), blocks.end(), 0);
      std::shuffle(blocks.begin(), blocks.end(), std::mt19937(3));
    }

    Buffer memory;
    TensorView view;
    std::vector<int32_t> blocks;
  };

  static int64_t Seen(const cases::GqaCase& shape, int64_t keys) {
    return shape.window == 0 ? keys : std::min(keys, shape.window);
  }

  // A whole prompt in one chunk.
  void RunGqaPrefill(const cases::GqaCase& shape, int64_t tokens) {
    const std::string name = fmt::format("gqa prefill {}", shape.name);
    if (!Wanted(name)) return;
    const GqaCache cache(device_, shape, tokens / GqaCache::kBlockTokens + 1);
    const auto q = RandomFloats(tokens * shape.heads * shape.dim);
    std::vector<float> out(q.size());
    std::vector<int32_t> positions(static_cast<size_t>(tokens));
    std::iota(positions.begin(), positions.end(), 0);
    int64_t pairs = 0;
    for (int64_t t = 1; t <= tokens; ++t) pairs += Seen(shape, t);
    const OpCost cost = GqaCost({.queries = tokens,
                                 .keys = tokens,
                                 .pairs = pairs,
                                 .heads = shape.heads,
                                 .kv_heads = shape.kv_heads,
                                 .dim = shape.dim});
    Report(name, tokens, true, cost, [&] {
      cpu::GqaPrefill(
          cpu_, {.q = TensorView(q.data(), DType::kF32, {tokens, shape.heads, shape.dim}),
                 .positions = positions,
                 .cache = cache.view,
                 .table = cache.blocks,
                 .scale = 0.1f,
                 .window = shape.window,
                 .out = TensorView(out.data(), DType::kF32, {tokens, shape.heads, shape.dim})});
    });
  }

  // Each position is a sequence of its own.
  void RunGqaDecode(const cases::GqaCase& shape, const std::vector<int64_t>& rows) {
    const std::string name = fmt::format("gqa decode {} at {}", shape.name, rows.front());
    if (!Wanted(name)) return;
    const int64_t row_blocks = rows.front() / GqaCache::kBlockTokens + 1;  // all rows are alike
    const auto tokens = static_cast<int64_t>(rows.size());
    const GqaCache cache(device_, shape, tokens * row_blocks);
    const auto num_blocks = static_cast<int64_t>(cache.blocks.size());
    const auto q = RandomFloats(tokens * shape.heads * shape.dim);
    std::vector<float> out(q.size());
    const std::vector<int32_t> positions(rows.begin(), rows.end());
    const int64_t keys = tokens * Seen(shape, rows.front() + 1);
    const OpCost cost = GqaCost({.queries = tokens,
                                 .keys = keys,
                                 .pairs = keys,
                                 .heads = shape.heads,
                                 .kv_heads = shape.kv_heads,
                                 .dim = shape.dim});
    int64_t next = 0;
    std::vector<const int32_t*> tables(rows.size());
    Report(name, tokens, true, cost, [&] {
      for (const int32_t*& table : tables) {
        if (next + row_blocks > num_blocks) next = 0;
        table = cache.blocks.data() + next;
        next += row_blocks;
      }
      cpu::GqaDecode(
          cpu_, {.q = TensorView(q.data(), DType::kF32, {tokens, shape.heads, shape.dim}),
                 .positions = positions,
                 .cache = cache.view,
                 .tables = tables,
                 .scale = 0.1f,
                 .window = shape.window,
                 .out = TensorView(out.data(), DType::kF32, {tokens, shape.heads, shape.dim})});
    });
  }

  static void FillCache(const Buffer& cache, int64_t elements, DType type) {
    const std::vector<float> values = RandomFloats(1 << 16);
    for (int64_t i = 0; i < elements; ++i) {
      const float value = values[static_cast<size_t>(i) % values.size()];
      if (type == DType::kBf16) static_cast<Bf16*>(cache.data())[i] = ToBf16(value);
      if (type == DType::kF32) static_cast<float*>(cache.data())[i] = value;
    }
  }

  void RunRows(int64_t rows, int64_t width) {
    auto x = RandomFloats(rows * width);
    auto delta = RandomFloats(rows * width);
    std::vector<float> y(x.size());
    std::vector<Bf16> narrow(x.size());
    const auto weight = RandomFloats(width);
    const TensorView x_view(x.data(), DType::kF32, {rows, width});
    const TensorView delta_view(delta.data(), DType::kF32, {rows, width});
    const TensorView y_view(y.data(), DType::kF32, {rows, width});
    const TensorView weight_view(weight.data(), DType::kF32, {width});
    const TensorView narrow_view(narrow.data(), DType::kBf16, {rows, width});
    const double elements = static_cast<double>(rows * width);
    const auto name = [&](const char* op) { return fmt::format("{} x {}", op, width); };
    if (Wanted(name("rms_norm"))) {
      Report(name("rms_norm"), rows, false, {.bytes = elements * 8, .flops = elements * 4}, [&] {
        cpu::RmsNorm(cpu_, {.x = x_view, .weight = weight_view, .eps = 1e-6f, .y = y_view});
      });
      Report(name("rms_norm + residual"), rows, false,
             {.bytes = elements * 16, .flops = elements * 5}, [&] {
               cpu::RmsNorm(cpu_, {.x = x_view,
                                   .delta = delta_view,
                                   .weight = weight_view,
                                   .eps = 1e-6f,
                                   .y = y_view});
             });
    }
    if (Wanted(name("add"))) {
      Report(name("add"), rows, false, {.bytes = elements * 12, .flops = elements},
             [&] { cpu::Add(cpu_, {.x = x_view, .delta = delta_view}); });
    }
    if (Wanted(name("cast f32 to bf16"))) {
      Report(name("cast f32 to bf16"), rows, false, {.bytes = elements * 6},
             [&] { cpu::Cast(cpu_, {.x = x_view, .y = narrow_view}); });
    }
    if (Wanted(name("rope of heads of 64"))) {
      const auto table = RandomFloats(1024 * 64);
      std::vector<int32_t> positions(static_cast<size_t>(rows));
      std::iota(positions.begin(), positions.end(), 0);
      Report(name("rope of heads of 64"), rows, false,
             {.bytes = elements * 8, .flops = elements * 3}, [&] {
               cpu::Rope(cpu_, {.x = x_view.Reshaped({rows, width / 64, 64}),
                                .positions = positions,
                                .table = TensorView(table.data(), DType::kF32, {1024, 64})});
             });
    }
  }

  void RunMoe(const cases::MoeCase& shape, int64_t tokens) {
    const auto logits = RandomFloats(tokens * shape.experts);
    const auto bias = RandomFloats(shape.experts);
    std::vector<int32_t> ids(static_cast<size_t>(tokens * shape.slots));
    std::vector<float> weights(ids.size());
    const TensorView ids_view(ids.data(), DType::kI32, {tokens, shape.slots});
    const TensorView weights_view(weights.data(), DType::kF32, {tokens, shape.slots});
    const std::string gate = fmt::format("gate {}", shape.name);
    if (Wanted(gate)) {
      Report(gate, tokens, false, {.bytes = static_cast<double>(logits.size()) * 4}, [&] {
        cpu::Gate(cpu_, {.logits = TensorView(logits.data(), DType::kF32, {tokens, shape.experts}),
                         .bias = TensorView(bias.data(), DType::kF32, {shape.experts}),
                         .num_groups = shape.groups,
                         .top_groups = shape.top_groups,
                         .scale = 2.5f,
                         .ids = ids_view,
                         .weights = weights_view});
      });
    }
    const std::string combine = fmt::format("combine {}", shape.name);
    if (!Wanted(combine)) return;
    const int64_t num_rows = tokens * shape.slots;
    const auto rows = RandomFloats(num_rows * shape.hidden);
    std::vector<float> y(static_cast<size_t>(tokens * shape.hidden));
    std::vector<int32_t> row_of(static_cast<size_t>(num_rows));
    std::iota(row_of.begin(), row_of.end(), 0);
    std::shuffle(row_of.begin(), row_of.end(), std::mt19937(3));
    const TensorView y_view(y.data(), DType::kF32, {tokens, shape.hidden});
    Report(combine, tokens, false,
           {.bytes = static_cast<double>(rows.size() + 2 * y.size()) * 4,
            .flops = static_cast<double>(rows.size()) * 2},
           [&] {
             cpu::CombineRows(
                 cpu_, {.rows = TensorView(rows.data(), DType::kF32, {num_rows, shape.hidden}),
                        .row_of = TensorView(row_of.data(), DType::kI32, {tokens, shape.slots}),
                        .weights = weights_view,
                        .base = y_view,
                        .y = y_view});
           });
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
  void Report(const std::string& name, int64_t tokens, bool bf16, const OpCost& cost,
              const Op& op) {
    const double seconds = LeastSeconds(op);
    const double peak = bf16 ? limits_.bf16_flops : limits_.f32_flops;
    const double bandwidth = cost.bytes / seconds, flops = cost.flops / seconds;
    fmt::print("{:<34}{:>7}{:>12.1f}{:>9.1f}{:>6.0f}%{:>10.0f}{:>6.0f}%\n", name, tokens,
               seconds * 1e6, bandwidth / 1e9, 100 * bandwidth / limits_.read_bytes_per_s,
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
  CLI::App app("Times attention and row kernels beside what the machine can do");
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
