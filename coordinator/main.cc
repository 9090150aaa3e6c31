// switchyard-coordinator: plans the cluster and answers its clients.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>

#include "base/exit_code.h"
#include "base/program.h"
#include "base/short_slices.h"
#include "base/version.h"
#include "coordinator/server.h"

namespace {

std::atomic<int> num_signals{0};
static_assert(std::atomic<int>::is_always_lock_free, "counted in a signal handler");

void CountSignal(int) { ++num_signals; }

constexpr int64_t kMostBytes = int64_t{1} << 60;  // of memory that a flag may name

void AddOptions(CLI::App& app, switchyard::ServerConfig& config) {
  const CLI::Range port(0, 65535);
  app.add_option("--model", config.model_path,
                 "Folder of the checkpoint in the published Hugging Face layout; every worker must "
                 "see it under this path")
      ->required();
  app.add_option("--model-name", config.model_name,
                 "What requests call the model (default: the folder's name)");
  app.add_option("--tool-parser", config.tool_parser,
                 "Form of the model's tool calls; auto: told from its chat template")
      ->capture_default_str()
      ->check(CLI::IsMember(
          {"auto", "none", "deepseek", "deepseek_v31", "harmony", "hermes", "llama"}));
  app.add_option("--host", config.host, "Address of the HTTP API")->capture_default_str();
  app.add_option("--port", config.port, "Port of the HTTP API; 0: any free one")
      ->capture_default_str()
      ->check(port);
  app.add_option(
      "--api-keys", config.api_keys,
      "JSON file of the keys that clients must show, with their tenants; read again when "
      "it changes (docs/api.md)");
  app.add_flag("--metrics-need-key", config.metrics_need_key,
               "With --api-keys, ask for a key at /metrics, too");
  app.add_option("--metrics-compat", config.metrics_compat,
                 "vllm: /metrics gives its names, too, for dashboards made for it")
      ->capture_default_str()
      ->check(CLI::IsMember({"none", "vllm"}));
  app.add_option(
         "--max-logprobs", config.max_logprobs,
         "Likeliest tokens whose log probabilities a request may ask for beside each token; "
         "-1: any number, and the whole vocabulary's")
      ->capture_default_str()
      ->check(CLI::Range(-1, 128));
  app.add_option(
         "--logprob-memory", config.logprob_bytes,
         "Memory, such as 4GiB, that log probabilities of whole vocabularies, and beyond 4 MiB "
         "of a request those of prompts' likeliest tokens, may take here, of all requests "
         "together (default: 1GiB)")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(int64_t{0}, kMostBytes));
  app.add_option(
         "--cors-origin", config.cors_origins,
         "Web page whose scripts may use the HTTP API, such as https://chat.example.com, or "
         "* for all; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--grpc-host", config.grpc_host, "Address for workers and gRPC clients")
      ->capture_default_str();
  app.add_option("--grpc-port", config.grpc_port,
                 "Port for workers and gRPC clients; 0: any free one")
      ->capture_default_str()
      ->check(port);
  app.add_option("--dp", config.data_parallel, "Attention groups: each serves its own requests")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app.add_option("--tp", config.tensor_parallel,
                 "Ranks that share one group's attention and dense layers")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app.add_option("--compute", config.compute, "Arithmetic of linears: bf16, f32 or w8a8")
      ->capture_default_str()
      ->check(CLI::IsMember({"bf16", "f32", "w8a8"}));
  app.add_option("--weights", config.weights,
                 "Form that CPU workers keep weights in: stored, or q8 or q4, quantised while they "
                 "are loaded")
      ->capture_default_str()
      ->check(CLI::IsMember({"stored", "q8", "q4"}));
  app.add_option("--max-batched-tokens", config.max_batched_tokens,
                 "Tokens that one group computes in one step")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app.add_option(
         "--micro-batch-tokens", config.micro_batch_tokens,
         "Steps of so many tokens of a group are computed as two micro-batches, so that the "
         "rows for the experts of one travel while the other computes; 0: none (default: "
         "256 between GPUs, 0 between CPUs)")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--max-running", config.max_running, "Requests that one group computes at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--max-stretch", config.max_stretch,
                 "One prompt makes a step in which requests write at most so many times longer, as "
                 "far as that can be foreseen; 0: however much")
      ->capture_default_str()
      ->check([](const std::string& text) -> std::string {
        const double value = std::strtod(text.c_str(), nullptr);
        return value == 0 || (value >= 1.1 && value <= 1000) ? ""
                                                             : "must be 0, or from 1.1 to 1000";
      });
  app.add_option("--max-prompt-chunk", config.max_prompt_chunk,
                 "Tokens that one prompt takes of a step which others need, too; 0: half of the "
                 "step")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--prefix-cache", config.prefix_cache,
                 "Keep what is computed of prompts for others that begin alike; the answers are "
                 "the same")
      ->capture_default_str();
  app.add_option("--max-waiting", config.max_waiting,
                 "Requests that may wait; more are answered 429")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--kv-blocks", config.kv_blocks,
                 "Cache blocks of one group; 0: what the workers' memory leaves")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 30));
  app.add_option("--kv-memory", config.kv_bytes,
                 "Cache of one rank in bytes, such as 4GiB, in place of --kv-blocks")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(int64_t{0}, kMostBytes));
  app.add_option(
         "--prompt-memory", config.prompt_bytes,
         "Memory of one rank, such as 1GiB, that spares a long prompt computing keys and "
         "values of its beginning again in every step (default: a sixteenth of the cache's)")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(int64_t{0}, kMostBytes));
  app.add_option("--drafts", config.drafts,
                 "Who drafts tokens ahead of the model: off, mtp (the model's own block for it), "
                 "ngram (what was said before), or auto: mtp where the model has one; the answers "
                 "are the same")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "off", "mtp", "ngram"}));
  app.add_option("--draft-tokens", config.draft_tokens,
                 "Tokens drafted for one request in one step, at most; fewer where that is faster")
      ->capture_default_str()
      ->check(CLI::Range(1, 8));
  app.add_option("--overlap", config.overlap,
                 "Plan a step before the last one's tokens are here; the answers are the same")
      ->capture_default_str();
  app.add_flag(
      "--verify", config.verify,
      "Workers hold weights against the checkpoint's manifest (`switchyard manifest`) while "
      "they read them");
  app.add_option("--gather-seconds", config.gather_seconds,
                 "How long to wait for all workers to join")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  app.add_option("--load-seconds", config.load_seconds,
                 "A worker that loads must make progress so often")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  app.add_option("--max-silence-seconds", config.max_silence_seconds,
                 "A worker that says nothing for so long counts as lost; it speaks twice a second")
      ->capture_default_str()
      ->check(CLI::Range(2, 3600));
  app.add_option("--step-seconds", config.step_seconds,
                 "A step whose results do not come for so long ends the cluster")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  app.add_option(
         "--drain-seconds", config.drain_seconds,
         "On SIGTERM or Ctrl-C, requests under way may take so long; a second signal ends them")
      ->capture_default_str()
      ->check(CLI::Range(0, 86400));
  app.add_option("--announce-fd", config.announce_fd,
                 "File descriptor that gets a JSON line with both addresses")
      ->group("");
}

}  // namespace

int main(int argc, char** argv) {
  switchyard::PrepareProgram();
  CLI::App app(
      "The coordinator of a Switchyard cluster: waits for its workers (switchyard-worker), lays "
      "the model over them, and serves "
      "the OpenAI-compatible HTTP API and gRPC.\n"
      "Example: switchyard-coordinator --model models/tiny-r1 --dp 2 --tp 2");
  app.set_version_flag("--version", std::string(switchyard::kVersion));
  switchyard::ServerConfig config;
  AddOptions(app, config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? switchyard::kExitOk : switchyard::kExitUsage;
  }

  spdlog::set_default_logger(spdlog::stderr_color_mt(
      "coordinator",
      switchyard::StderrHasColor() ? spdlog::color_mode::automatic : spdlog::color_mode::never));
  std::signal(SIGINT, CountSignal);
  std::signal(SIGTERM, CountSignal);
  // On a host of its workers, too, a step's tokens are to leave while the next is computed.
  switchyard::PreferShortSlices();
  return switchyard::ReportAndExitCode("switchyard-coordinator",
                                       switchyard::RunServer(config, num_signals));
}
