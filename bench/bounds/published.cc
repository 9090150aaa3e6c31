#include "bench/bounds/published.h"

#include <fmt/format.h>

#include <array>

namespace switchyard::bench {
namespace {

using core::ExchangeForm;
using core::StepShape;

// Low-latency kernels: every copy of a token travels by itself.
constexpr StepShape Decode(int64_t gpus, int64_t rows, int64_t context, int64_t experts) {
  return {.rows = rows, .context = context, .experts_per_gpu = experts, .gpus = gpus};
}

// Normal kernels: a token enters a host once, and hosts add what goes back.
constexpr StepShape Prefill(int64_t rows, int64_t context) {
  return {.rows = rows,
          .context = context,
          .decode = false,
          .experts_per_gpu = 9,
          .gpus = 32,
          .exchange = {.once = ExchangeForm::Once::kHost}};
}

constexpr std::string_view kLmsys = "LMSYS, 2025-05-05";
constexpr std::string_view kDayOfDeepseek = "DeepSeek, open-infra-index, day 6";
constexpr std::string_view kSteps = "16,384 tokens of a GPU in a step";

constexpr std::array kResults{
    PublishedResult{
        .system = "DeepSeek, profile-data, decode",
        .device = core::kH800,
        .shape = Decode(128, 128, 4096, 2),
        .tokens_per_s = 18598.0 / 8,
        .source = "LMSYS, 2025-05-05, of deepseek-ai/profile-data",
        .unstated = "",
        .why = "the network gave 39 to 40 of its 50 GB/s (DeepEP at EP 128); two micro-batches "
               "read weights twice, which alone adds 5 ms to its step; experts evenly loaded"},
    PublishedResult{.system = "DeepSeek, production, decode",
                    .device = core::kH800,
                    .shape = Decode(144, 128, 4989, 2),
                    .tokens_per_s = 14800.0 / 8,
                    .source = kDayOfDeepseek,
                    .unstated = "128 requests of a GPU",
                    .why = "as above, with a real load on the experts; a mean over the day"},
    PublishedResult{.system = "SGLang, decode",
                    .device = core::kH100,
                    .shape = Decode(72, 256, 2000, 4),
                    .tokens_per_s = 22282.0 / 8,
                    .source = kLmsys,
                    .unstated = "",
                    .why = "experts not evenly loaded (balancing gave it 2.54 times); two "
                           "micro-batches; 43 to 46 of 50 GB/s (DeepEP at EP 64)"},
    PublishedResult{.system = "SGLang, simulated MTP, decode",
                    .device = core::kH100,
                    .shape = Decode(72, 128, 4000, 4),
                    .tokens_per_s = 17373.0 / 8,
                    .source = kLmsys,
                    .unstated = "",
                    .why = "as above"},
    PublishedResult{.system = "vLLM, decode",
                    .device = core::kH200,
                    .shape = Decode(64, 128, 2000, 5),
                    .tokens_per_s = 2200,
                    .source = "vLLM, 2025-12-17",
                    .unstated = "EP 64, 128 requests of 2,000 tokens",
                    .why = "sustained, in production; nothing of its shape is stated"},
    PublishedResult{.system = "DeepSeek, profile-data, prefill",
                    .device = core::kH800,
                    .shape = Prefill(16384, 4096),
                    .tokens_per_s = 62713.0 / 8,
                    .source = "LMSYS, 2025-05-05, of deepseek-ai/profile-data",
                    .unstated = "",
                    .why = "20 of 132 SMs move tokens, products reach 1,250 of 1,979 TFLOP/s "
                           "(DeepGEMM): together 53 % of the computing bound"},
    PublishedResult{
        .system = "SGLang, prefill of 1K",
        .device = core::kH100,
        .shape = Prefill(16384, 1024),
        .tokens_per_s = 57674.0 / 8,
        .source = kLmsys,
        .unstated = kSteps,
        .why = "the same kernels; experts not evenly loaded (balancing gave it 1.49 times)"},
    PublishedResult{.system = "SGLang, prefill of 2K",
                    .device = core::kH100,
                    .shape = Prefill(16384, 2048),
                    .tokens_per_s = 54543.0 / 8,
                    .source = kLmsys,
                    .unstated = kSteps,
                    .why = "as above"},
    PublishedResult{.system = "SGLang, prefill of 4K",
                    .device = core::kH100,
                    .shape = Prefill(16384, 4096),
                    .tokens_per_s = 50302.0 / 8,
                    .source = kLmsys,
                    .unstated = kSteps,
                    .why = "as above"},
    PublishedResult{.system = "SGLang, prefill of 4K, experts evenly loaded",
                    .device = core::kH100,
                    .shape = Prefill(16384, 4096),
                    .tokens_per_s = 59337.0 / 8,
                    .source = kLmsys,
                    .unstated = kSteps,
                    .why = "the same kernels"},
    PublishedResult{.system = "DeepSeek, production, prefill",
                    .device = core::kH800,
                    .shape = Prefill(16384, 4989),
                    .tokens_per_s = 32206.0 / 8,
                    .source = kDayOfDeepseek,
                    .unstated = "16,384 tokens of a GPU in a step, prompts of 4,989",
                    .why = "a mean over the day, cache hits not counted"},
};

}  // namespace

std::span<const PublishedResult> PublishedResults() { return kResults; }

std::string PublishedTable(const v1::ModelSpec& model) {
  std::string text =
      "| system | GPUs | rows of a GPU, context | bound tokens/s of a GPU | limit | published | "
      "share | assumed of it | what lies between |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const PublishedResult& result : kResults) {
    const core::StepSeconds seconds =
        core::SecondsOf(core::StepBound(model, result.shape), result.device);
    const double bound = double(result.shape.rows) / seconds.total();
    text +=
        fmt::format("| {} ({}) | {} {} | {}, {} | {:.0f} | {} | {:.0f} | {:.0f} % | {} | {} |\n",
                    result.system, result.source, result.shape.gpus, result.device.name,
                    result.shape.rows, result.shape.context, bound, Name(seconds.limit()),
                    result.tokens_per_s, 100 * result.tokens_per_s / bound,
                    result.unstated.empty() ? "-" : result.unstated, result.why);
  }
  return text;
}

}  // namespace switchyard::bench
