// The least time of a step on GPUs, op by op, from data sheets: what a measurement will be held
// against.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/exit_code.h"
#include "base/file.h"
#include "base/units.h"
#include "bench/bounds/published.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/step_bound.h"

namespace switchyard::bench {
namespace {

struct Flags {
  std::string config = "bench/shapes/v3-671b.json";
  int batch = 128;     // requests of one GPU
  int context = 4096;  // tokens
  int prefill = 4096;  // tokens of one GPU in a step
  bool published = false;
};

constexpr int64_t kMaxConfigBytes = 16 * kMiB;
constexpr int kGpuCounts[] = {8, 16, 32, 64, 144};
constexpr double kMs = 1e3;

void PrintStep(const v1::ModelSpec& model, core::StepShape shape) {
  const int64_t experts = model.moe().num_routed_experts();
  shape.experts_per_gpu = (experts + shape.gpus - 1) / shape.gpus;
  fmt::print("\n### {}, EP {}: {} rows of {} tokens on each GPU, {} experts\n\n",
             shape.decode ? "Decode" : "Prefill", shape.gpus, shape.rows, shape.context,
             shape.experts_per_gpu);
  fmt::print("| op | GB | GFLOP | H100 ms | H200 ms |\n|---|---|---|---|---|\n");
  double compute[2] = {}, network[2] = {};
  for (const core::OpBound& op : core::StepBound(model, shape)) {
    if (op.unit == core::Unit::kLink) continue;  // far from limiting on these
    const double ms[2] = {kMs * op.Seconds(core::kH100), kMs * op.Seconds(core::kH200)};
    for (int i = 0; i < 2; ++i) (op.unit == core::Unit::kNetwork ? network : compute)[i] += ms[i];
    fmt::print("| {} | {:.3f} | {:.1f} | {:.3f} | {:.3f} |\n", op.name, op.cost.bytes / 1e9,
               op.cost.flops / 1e9, ms[0], ms[1]);
  }
  fmt::print("| **computing** | | | **{:.2f}** | **{:.2f}** |\n", compute[0], compute[1]);
  fmt::print("| **network** | | | **{:.2f}** | **{:.2f}** |\n", network[0], network[1]);
  fmt::print("| **tokens/s of a GPU, exchange hidden** | | | **{:.0f}** | **{:.0f}** |\n",
             double(shape.rows) * kMs / std::max(compute[0], network[0]),
             double(shape.rows) * kMs / std::max(compute[1], network[1]));
}

absl::Status Run(const Flags& flags) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.config, kMaxConfigBytes));
  SY_ASSIGN_OR_RETURN(const v1::ModelSpec model, core::ParseHfConfig(text, flags.config));
  if (!model.has_moe() || !model.has_mla()) {
    return absl::InvalidArgumentError("the bound is of models with latent attention and experts");
  }
  if (flags.published) {
    fmt::print("{}", PublishedTable(model));
    return absl::OkStatus();
  }
  fmt::print("Bounds, computed from bytes, FLOPs and data sheets; nothing here is measured.\n");
  for (const int gpus : kGpuCounts) {
    PrintStep(model, {.rows = flags.batch, .context = flags.context, .gpus = gpus});
  }
  for (const int gpus : kGpuCounts) {
    PrintStep(model, {.rows = flags.prefill,
                      .context = std::min(flags.context, flags.prefill),
                      .decode = false,
                      .gpus = gpus});
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  using namespace switchyard;
  bench::Flags flags;
  CLI::App app("The least time of a step of a DeepSeek-V3 on H100 and H200, op by op (Markdown).");
  app.add_option("--config", flags.config, "config.json of the model")->capture_default_str();
  app.add_option("--batch", flags.batch, "Requests that one GPU decodes together")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--context", flags.context, "Tokens of each")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--prefill", flags.prefill, "Prompt tokens that one GPU computes in a step")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_flag("--published", flags.published,
               "Instead: bounds of what others have published, beside their results");
  CLI11_PARSE(app, argc, argv);
  return ReportAndExitCode("bench_bounds", bench::Run(flags));
}
