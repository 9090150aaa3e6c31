#include "coordinator/server.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>

#include "base/file_limit.h"
#include "base/host_port.h"
#include "base/json.h"
#include "base/version.h"
#include "coordinator/checkpoint_info.h"
#include "coordinator/coordinator.h"
#include "coordinator/core/plan/result_size.h"
#include "coordinator/core/plan/weight_form.h"
#include "coordinator/gateway/gateway.h"
#include "coordinator/gateway/key_file.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/step_metrics.h"
#include "coordinator/text/grammar/token_table.h"

namespace switchyard {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMinFiles = 256;
constexpr int kSpareFiles = 96;  // of the process itself, and for HTTP clients that are turned away
constexpr milliseconds kPollInterval(50);
constexpr milliseconds kFrontGrace(
    2000);  // for answers (and errors) that are on their way out when the loop ends

absl::StatusOr<v1::ComputeMode> ParseCompute(const std::string& name) {
  if (name == "bf16") return v1::COMPUTE_MODE_BF16;
  if (name == "f32") return v1::COMPUTE_MODE_F32;
  if (name == "w8a8") return v1::COMPUTE_MODE_W8A8;
  return absl::InvalidArgumentError(
      fmt::format("--compute is \"{}\"; it must be bf16, f32 or w8a8", name));
}

absl::StatusOr<CoordinatorOptions> MakeOptions(const ServerConfig& config,
                                               const CheckpointInfo& checkpoint) {
  CoordinatorOptions options{
      .model_name = config.model_name.empty() ? checkpoint.name : config.model_name,
      .model_path = config.model_path,
      .verify = config.verify,
      .model = checkpoint.model,
      .tokens = text::grammar::MakeTokenTable(*checkpoint.tokenizer),
      .max_waiting = config.max_waiting,
      .max_stretch = config.max_stretch,
      .max_prompt_chunk = config.max_prompt_chunk,
      .prefix_cache = config.prefix_cache,
      .overlap = config.overlap,
      .drain_deadline = seconds(config.drain_seconds),
      .step_deadline = seconds(config.step_seconds)};
  SY_ASSIGN_OR_RETURN(const v1::ComputeMode compute, ParseCompute(config.compute));
  SY_ASSIGN_OR_RETURN(const v1::WeightForm weights, core::ParseWeightForm(config.weights));
  SY_ASSIGN_OR_RETURN(const v1::DraftPlan drafts,
                      core::ParseDrafts(config.drafts, config.draft_tokens, checkpoint.model));
  options.plan = {.data_parallel = config.data_parallel,
                  .tensor_parallel = config.tensor_parallel,
                  .compute = compute,
                  .weights = weights,
                  .max_batched_tokens = config.max_batched_tokens,
                  .max_running = config.max_running,
                  .micro_batch_tokens = config.micro_batch_tokens,
                  .drafts = drafts,
                  .kv_num_blocks = config.kv_blocks,
                  .kv_bytes_per_rank = config.kv_bytes,
                  .expanded_bytes_per_rank = config.prompt_bytes};
  options.membership = {.world = config.data_parallel * config.tensor_parallel,
                        .version = kVersion,
                        .gather_deadline = seconds(config.gather_seconds),
                        .load_deadline = seconds(config.load_seconds),
                        .max_silence = seconds(config.max_silence_seconds)};
  // A layout that the model cannot have is refused now, and not when every worker has come.
  core::PlanRequest probe = options.plan;
  if (probe.kv_num_blocks == 0 && probe.kv_bytes_per_rank == 0) probe.kv_num_blocks = 1;
  SY_RETURN_IF_ERROR(core::MakeShardPlan(options.model, probe).status());
  return options;
}

absl::StatusOr<std::optional<text::ToolFormat>> ChooseToolFormat(const std::string& name,
                                                                 const std::string& source) {
  if (name == "auto") return text::FindToolFormat(source);
  if (name == "none") return std::nullopt;
  SY_ASSIGN_OR_RETURN(const text::ToolFormat format, text::ParseToolFormat(name));
  return format;
}

absl::StatusOr<gateway::ServedModel> DescribeModel(const ServerConfig& config,
                                                   const CheckpointInfo& checkpoint,
                                                   const std::string& name) {
  const core::GenerationConfig& generation = checkpoint.generation;
  const text::ModelChatTemplate* chat_template =
      checkpoint.chat_template.has_value() ? &*checkpoint.chat_template : nullptr;
  const std::string source = chat_template != nullptr ? chat_template->source : "";
  const std::optional<text::HarmonyMarks> harmony =
      text::FindHarmonyMarks(*checkpoint.tokenizer, source);
  SY_ASSIGN_OR_RETURN(const std::optional<text::ToolFormat> tool_format,
                      ChooseToolFormat(config.tool_parser, source));
  if (tool_format == text::ToolFormat::kHarmony && !harmony) {
    return absl::InvalidArgumentError(
        "--tool-parser harmony: the model's tokenizer or its chat template has no channels");
  }
  SY_ASSIGN_OR_RETURN(const v1::WeightForm form, core::ParseWeightForm(config.weights));
  const std::optional<text::ReasoningMarks> reasoning =
      text::FindReasoningMarks(*checkpoint.tokenizer, source);
  return gateway::ServedModel{
      .name = name,
      .created_unix_s = std::time(nullptr),
      .context_length = checkpoint.model.max_position_embeddings(),
      .vocab_size = checkpoint.model.vocab_size(),
      .weights = std::string(core::DescribeWeights(checkpoint.model, form)),
      .eos_token_ids = generation.eos_token_ids,
      .default_temperature =
          generation.do_sample ? static_cast<float>(generation.temperature) : 0.0f,
      .default_top_p = static_cast<float>(generation.top_p),
      .default_top_k = generation.top_k,
      .default_min_p = static_cast<float>(generation.min_p),
      .default_repetition_penalty = static_cast<float>(generation.repetition_penalty),
      .max_logprobs = config.max_logprobs,
      .tokenizer = checkpoint.tokenizer.get(),
      .chat_template = chat_template,
      .reasoning = reasoning,
      .opens_thoughts = reasoning && chat_template != nullptr &&
                        text::LeavesBeginToModel(*checkpoint.tokenizer, *reasoning, *chat_template),
      .harmony = harmony,
      .tool_format = tool_format};
}

// HTTP and gRPC each get their part of the descriptors, so that neither's clients lock out the
// other's; the rest is for the process itself.
absl::StatusOr<gateway::GatewayOptions> MakeGatewayOptions(const ServerConfig& config,
                                                           const gateway::KeyFile* keys) {
  gateway::GatewayOptions options{
      .http = {.host = config.host, .port = config.port},
      .grpc = {.host = config.grpc_host, .port = config.grpc_port},
      .access = {.keys = keys, .metrics_need_key = config.metrics_need_key},
      .vllm_metrics = config.metrics_compat == "vllm",
      .logprob_bytes = config.logprob_bytes};
  const int32_t max_likeliest = config.max_logprobs == core::kFullVocabulary
                                    ? gateway::LogprobFields::kMax
                                    : config.max_logprobs;
  options.grpc.max_receive_bytes =
      std::max(options.grpc.max_receive_bytes,
               static_cast<int>(core::MaxResultBytes(config.max_running, max_likeliest)));
  SY_ASSIGN_OR_RETURN(options.access.cors, gateway::CorsPolicy::Create(config.cors_origins));
  const int num_files = RaiseFileLimit();
  if (num_files < kMinFiles) {
    return absl::ResourceExhaustedError(
        fmt::format("this process may open {} files, it needs {}: raise the limit (ulimit -n)",
                    num_files, kMinFiles));
  }
  options.http.max_connections = std::min(options.http.max_connections, num_files / 4);
  options.grpc.max_descriptor = num_files - options.http.max_connections - kSpareFiles;
  return options;
}

// Null: no keys are asked for.
absl::StatusOr<std::unique_ptr<gateway::KeyFile>> OpenKeys(const std::string& path) {
  if (path.empty()) return nullptr;
  SY_ASSIGN_OR_RETURN(
      std::unique_ptr<gateway::KeyFile> keys,
      gateway::KeyFile::Open(path, [](const std::string& line) { spdlog::warn("{}", line); }));
  keys->Watch();
  return keys;
}

absl::Status Announce(int fd, const std::string& http, const std::string& grpc) {
  if (fd < 0) return absl::OkStatus();
  const std::string line = Json{{"http", http}, {"grpc", grpc}}.dump() + "\n";
  const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  close(fd);
  return written ? absl::OkStatus() : absl::UnavailableError("--announce-fd cannot be written");
}

}  // namespace

absl::Status RunServer(const ServerConfig& config, const std::atomic<int>& num_signals) {
  SY_ASSIGN_OR_RETURN(const CheckpointInfo checkpoint, ReadCheckpointInfo(config.model_path));
  SY_ASSIGN_OR_RETURN(CoordinatorOptions options, MakeOptions(config, checkpoint));
  SY_ASSIGN_OR_RETURN(const gateway::ServedModel model,
                      DescribeModel(config, checkpoint, options.model_name));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<gateway::KeyFile> keys, OpenKeys(config.api_keys));
  SY_ASSIGN_OR_RETURN(const gateway::GatewayOptions gateway_options,
                      MakeGatewayOptions(config, keys.get()));

  Coordinator coordinator(std::move(options));
  SY_ASSIGN_OR_RETURN(
      const std::unique_ptr<gateway::Gateway> gateway,
      gateway::Gateway::Start(gateway_options, model, coordinator,
                              {coordinator.worker_service(), coordinator.rendezvous_service()}));
  StepMetrics step_metrics(gateway->metrics(), config.data_parallel * config.tensor_parallel);
  coordinator.ObserveSteps([&](const StepRecord& step) { step_metrics.Observe(step); });
  coordinator.ObserveRanks([&](const RankStepRecord& step) { step_metrics.ObserveRank(step); });
  const std::string http_address = JoinHostPort(config.host, gateway->http_port());
  const std::string grpc_address = JoinHostPort(config.grpc_host, gateway->grpc_port());
  spdlog::info("HTTP on {}, gRPC on {}; waiting for {} workers", http_address, grpc_address,
               config.data_parallel * config.tensor_parallel);
  SY_RETURN_IF_ERROR(Announce(config.announce_fd, http_address, grpc_address));

  absl::Status result;
  std::atomic<bool> ended{false};
  std::thread loop([&] {
    result = coordinator.Run();
    ended = true;
  });
  for (int seen = 0; !ended; std::this_thread::sleep_for(kPollInterval)) {
    gateway->SetServing(coordinator.Status().state() == v1::CLUSTER_STATE_SERVING);
    for (const int now = num_signals; seen < now; ++seen) coordinator.Drain();
  }
  loop.join();
  gateway->SetServing(false);
  gateway->Shutdown(kFrontGrace);
  return result;
}

}  // namespace switchyard
