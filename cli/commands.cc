#include "cli/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "base/exit_code.h"
#include "base/units.h"
#include "cli/admin_client.h"
#include "cli/chat_command.h"
#include "cli/convert_command.h"
#include "cli/interrupts.h"
#include "cli/logits_command.h"
#include "cli/manifest_command.h"
#include "cli/models_command.h"
#include "cli/plan_command.h"
#include "cli/probe_command.h"
#include "cli/serve_cluster.h"
#include "cli/serve_command.h"
#include "cli/status_table.h"
#include "cli/synth_command.h"
#include "cli/template_command.h"
#include "cli/tokenize_command.h"

namespace switchyard::cli {
namespace {

constexpr std::chrono::seconds kStatusTimeout(5);

// A subcommand whose options live as long as the app.
template <typename Options>
CLI::App* AddCommand(CLI::App& app, const char* name, const char* help,
                     std::shared_ptr<Options>* options) {
  *options = std::make_shared<Options>();
  return app.add_subcommand(name, help);
}

// What ranks compute on.
template <typename Options>
void AddDeviceFlags(CLI::App* command, Options* options) {
  command
      ->add_option("--isa", options->isa,
                   "Instruction set: auto, avx512-bf16, avx512, avx2 or portable")
      ->capture_default_str();
  command
      ->add_option("--backend", options->backend,
                   "cpu, cuda, or auto: cuda where a device is found")
      ->capture_default_str();
}

// Flags that `serve` hands to the coordinator as they are.
void AddCoordinatorFlags(CLI::App* command, const std::shared_ptr<ServeOptions>& options) {
  const auto forward = [&](const char* flag, const char* help) {
    command->add_option_function<std::string>(
        flag,
        [options, flag](const std::string& value) {
          options->coordinator_flags.insert(options->coordinator_flags.end(), {flag, value});
        },
        help);
  };
  forward("--model-name", "What requests call the model (default: the folder's name)");
  forward("--compute", "Arithmetic of linears: bf16 (default), f32 or w8a8");
  forward("--weights",
          "Form that CPU workers keep weights in: stored (default), or q8 or q4, quantised while "
          "they are loaded");
  forward("--max-batched-tokens", "Tokens that one group computes in one step (default 512)");
  forward(
      "--micro-batch-tokens",
      "From so many tokens of a group on, a step is computed as two micro-batches, of which one "
      "computes while the other's rows travel (default: 256 between GPUs, else never)");
  forward("--tool-parser", "Form of the model's tool calls (default: told from its template)");
  forward("--api-keys", "JSON file of the keys that clients must show (default: none asked for)");
  forward("--max-logprobs",
          "Likeliest tokens that a request may ask for beside each (default 20; -1: the whole "
          "vocabulary, too)");
  forward(
      "--logprob-memory",
      "Of the coordinator, for log probabilities of whole vocabularies, and for more than 4 MiB "
      "of a prompt's likeliest tokens (default 1GiB)");
  forward("--max-running", "Requests that one group computes at a time (default 64)");
  forward("--max-stretch",
          "How much longer a prompt may make a step in which requests write (default 2; 0: any)");
  forward("--max-prompt-chunk",
          "Tokens that one prompt takes of a step which others need, too (default: half of it)");
  forward("--prefix-cache", "Reuse what is computed of prompts that begin alike (default on)");
  forward("--max-waiting", "Requests that may wait; more are answered 429 (default 1024)");
  forward("--kv-blocks", "Cache blocks of one group (default: what memory leaves)");
  forward("--kv-memory", "Cache of one rank in bytes, such as 1GiB");
  forward("--prompt-memory",
          "Of one rank, for prompts in progress (default: a sixteenth of the cache's)");
  forward("--metrics-compat", "vllm: /metrics gives its names, too");
  forward("--drafts", "Who drafts tokens ahead of the model: auto (default), off, mtp or ngram");
  forward("--draft-tokens", "Tokens drafted for one request in one step, at most (default 1)");
  forward("--overlap", "Plan a step before the last one's tokens are here (default on)");
  forward("--step-seconds", "A step that takes longer counts as lost (default 300)");
  forward("--drain-seconds", "How long requests under way may take after Ctrl-C (default 30)");
  command
      ->add_option_function<std::vector<std::string>>(
          "--cors-origin",
          [options](const std::vector<std::string>& origins) {
            for (const std::string& origin : origins) {
              options->coordinator_flags.insert(options->coordinator_flags.end(),
                                                {"--cors-origin", origin});
            }
          },
          "Web page whose scripts may use the HTTP API, or *; may be given several times")
      ->allow_extra_args(false);
  command->add_flag_callback(
      "--metrics-need-key",
      [options] { options->coordinator_flags.emplace_back("--metrics-need-key"); },
      "With --api-keys, ask for a key at /metrics, too");
  command->add_flag_callback(
      "--verify", [options] { options->coordinator_flags.emplace_back("--verify"); },
      "Hold weights against the checkpoint's manifest (`switchyard manifest`) while they are read");
  const auto to_workers = [=](const std::string& flag, const char* help) {
    command->add_option_function<std::string>(
        flag,
        [=](const std::string& value) {
          options->worker_flags.insert(options->worker_flags.end(), {flag, value});
        },
        help);
  };
  to_workers("--cuda-graphs", "On GPUs, record decode steps as CUDA graphs: on (default) or off");
  to_workers("--direct-io",
             "Read weights past the page cache: on, off or auto (default): where the checkpoint is "
             "larger than a quarter of memory");
  to_workers("--packed-cache",
             "Folder where packed weights are kept, so that the next start need not pack them "
             "again (default: they are not kept)");
  to_workers("--max-load-silence",
             "Seconds for which the disk may give no byte while weights are read (default 30)");
  command->add_option_function<std::string>(
      "--max-silence-seconds",
      [options](const std::string& value) {
        for (std::vector<std::string>* flags :
             {&options->coordinator_flags, &options->worker_flags}) {
          flags->insert(flags->end(), {"--max-silence-seconds", value});
        }
      },
      "A process silent for so long counts as lost (default 10)");
}

void AddServe(CLI::App& app, RunCommand* run) {
  std::shared_ptr<ServeOptions> options;
  CLI::App* command = AddCommand(
      app, "serve", "Serve a model with a cluster on this machine, or on several", &options);
  const auto cluster = std::make_shared<std::string>();
  command->add_option("--cluster", *cluster,
                      "Cluster file (docs/cluster-file.md); flags override it");
  const auto this_host = std::make_shared<std::string>();
  command->add_option("--this-host", *this_host,
                      "Which host of the cluster file this is, where it has several: each is "
                      "started by itself, the first with the coordinator");
  command->add_option("--model", options->model_path, "Folder of the checkpoint, or a GGUF file");
  command->add_option("--dp", options->data_parallel, "Attention groups")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--tp", options->tensor_parallel, "Ranks of each group")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--host", options->host, "Address of the HTTP API")->capture_default_str();
  command->add_option("--port", options->port, "Port of the HTTP API; 0: any free one")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  command->add_option("--grpc-port", options->grpc_port, "Port of gRPC; 0: any free one")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  command
      ->add_option("--threads", options->num_threads,
                   "Threads of this host's workers together; 0: one per core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command
      ->add_option("--memory", options->memory_bytes,
                   "Memory of this host's workers together, such as 16GiB; 0: three quarters of "
                   "the machine's")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  AddDeviceFlags(command, options.get());
  command
      ->add_option("--log-dir", options->log_folder,
                   "Folder for the processes' logs (default: this terminal)")
      ->check(CLI::ExistingDirectory);
  AddCoordinatorFlags(command, options);
  command->callback([=] {
    *run = [=]() -> absl::Status {
      const auto is_given = [=](std::string_view flag) {
        return command->count(std::string(flag)) > 0;
      };
      if (!cluster->empty()) {
        SY_ASSIGN_OR_RETURN(const ClusterFile file, ReadClusterFile(*cluster));
        SY_RETURN_IF_ERROR(ApplyClusterFile(file, *this_host, is_given, options.get()));
      }
      if (options->model_path.empty()) {
        return absl::InvalidArgumentError("nothing to serve: give --model or --cluster");
      }
      return RunServe(*options, WatchInterrupts().count);
    };
  });
}

void AddChat(CLI::App& app, RunCommand* run) {
  std::shared_ptr<ChatOptions> options;
  CLI::App* command = AddCommand(app, "chat", "Talk to a served model", &options);
  command->add_option("--url", options->url, "The server")->capture_default_str();
  command->add_option("--api-key", options->key, "Key for a server that asks for one")
      ->envname("SWITCHYARD_API_KEY");
  command->add_option("--model", options->model, "Model to ask for (default: the server's first)");
  command->add_option("--system", options->system, "System message");
  command->add_option("--message", options->message, "Ask this one question and leave");
  command->add_option("--temperature", options->temperature, "0: always the likeliest token");
  command->add_option("--max-tokens", options->max_tokens, "Longest answer")
      ->check(CLI::Range(0, 1 << 24));
  command->add_flag("--think", options->think, "Ask the model to think first");
  command->callback([=] {
    options->color = isatty(STDOUT_FILENO) != 0 && StderrHasColor();
    *run = [=] { return RunChat(*options, std::cin, std::cout, WatchInterrupts().count); };
  });
}

void AddStatus(CLI::App& app, RunCommand* run) {
  std::shared_ptr<std::string> address;
  CLI::App* command =
      AddCommand(app, "status", "Show what a cluster is doing, rank by rank", &address);
  *address = "127.0.0.1:7070";
  command->add_option("--coordinator", *address, "Address of the coordinator's gRPC service")
      ->capture_default_str();
  command->callback([=] {
    *run = [=]() -> absl::Status {
      SY_ASSIGN_OR_RETURN(const v1::StatusResponse status,
                          AdminClient(*address).Status(kStatusTimeout));
      std::cout << StatusTable(status);
      return absl::OkStatus();
    };
  });
}

void AddPlan(CLI::App& app, RunCommand* run) {
  std::shared_ptr<PlanOptions> options;
  CLI::App* command = AddCommand(
      app, "plan", "Say whether a model fits a cluster, and how fast it can be at most", &options);
  const auto number = [&](const char* flag, int& value, int least, int most, const char* help) {
    command->add_option(flag, value, help)->check(CLI::Range(least, most));
  };
  command->add_option("--cluster", options->cluster_file,
                      "Cluster file (docs/cluster-file.md); flags override it");
  command->add_option("--diff", options->changed_file,
                      "Say what this cluster file would change in the one of --cluster");
  command->add_option("--model", options->model,
                      "Folder of the checkpoint, its config.json, or a GGUF file");
  number("--hosts", options->hosts, 1, 4096, "Hosts of the cluster (default 1)");
  number("--gpus", options->devices_per_host, 1, 64, "Devices of each host (default 8)");
  command->add_option("--gpu", options->device,
                      "h100 (default), h200, h800, b200, or cpu: workers on CPUs");
  number("--dp", options->data_parallel, 1, 4096, "Attention groups (default: the best)");
  number("--tp", options->tensor_parallel, 1, 64, "Ranks of each group (default: the best)");
  number("--ep", options->expert_parallel, 1, 4096,
         "Ranks that experts are spread over: all of a layout");
  number("--redundant-experts", options->redundant_experts, 0, 4096,
         "Copies of routed experts in each layer");
  command->add_option("--context", options->context, "Tokens of each request (default 4096)")
      ->check(CLI::Range(1, 1 << 24));
  command
      ->add_option("--running", options->running,
                   "Requests at a time in the whole cluster (default 128 for each device)")
      ->check(CLI::Range(1, 1 << 26));
  number("--max-batched-tokens", options->max_batched_tokens, 1, 65536,
         "Tokens that one group computes in one step (default 512)");
  command->add_option("--compute", options->compute,
                      "bf16, f32 or w8a8 (default: w8a8 for FP8 weights on GPUs)");
  command->add_option("--weights", options->weights, "stored (default), q8 or q4; see serve");
  command->add_option("--drafts", options->drafts,
                      "Who drafts, as memory counts it: auto (default), off, mtp or ngram");
  number("--top", options->top, 1, 1000, "Layouts to list where several are possible (default 5)");
  command->add_flag("--json", options->json, "Write JSON");
  command->callback([=] { *run = [=] { return RunPlan(*options, std::cout); }; });
}

void AddProbe(CLI::App& app, RunCommand* run) {
  std::shared_ptr<ProbeCommandOptions> options;
  CLI::App* command = AddCommand(
      app, "probe", "Measure what this host reaches, and write it into the cluster file", &options);
  command->add_option("--cluster", options->cluster_file, "Cluster file (docs/cluster-file.md)");
  command->add_flag("--merge", options->merge,
                    "Keep the slower of what the file has and what is measured");
  CLI::Option* const peer = command->add_option(
      "--peer", options->peer, "HOST:PORT where another host listens: measure the network, too");
  command
      ->add_option("--listen", options->listen,
                   "HOST:PORT of this host, such as 0.0.0.0:7071: be the other host, once")
      ->excludes(peer);
  command->callback([=] { *run = [=] { return RunProbe(*options, std::cout); }; });
}

void AddModels(CLI::App& app, RunCommand* run) {
  std::shared_ptr<ModelsOptions> options;
  CLI::App* command = AddCommand(app, "models", "List the models that are served", &options);
  command->add_flag("--markdown", options->markdown, "As the README has it");
  command->callback([=] { *run = [=] { return RunModels(*options, std::cout); }; });
}

void AddTokenize(CLI::App& app, RunCommand* run) {
  std::shared_ptr<TokenizeOptions> options;
  CLI::App* command =
      AddCommand(app, "tokenize", "Text on stdin to token ids on stdout, or back", &options);
  command->add_option("--model", options->model_folder, "Folder of the checkpoint, or a GGUF file")
      ->required();
  command->add_flag("!--no-special", options->parse_special,
                    "Take text that looks like a special token as text");
  command->add_flag("--decode", options->decode, "Ids on stdin, text on stdout");
  command->callback([=] { *run = [=] { return RunTokenize(*options, std::cin, std::cout); }; });
}

void AddTemplate(CLI::App& app, RunCommand* run) {
  std::shared_ptr<TemplateOptions> options;
  CLI::App* command =
      AddCommand(app, "template", "Render a chat request with the model's template", &options);
  CLI::Option_group* source = command->add_option_group("source");
  source->add_option("--model", options->model_folder, "Folder of the checkpoint, or a GGUF file");
  source->add_option("--template-file", options->template_file, "A Jinja template");
  source->require_option(1);
  command
      ->add_option("--request", options->request_file,
                   "JSON: messages, tools, add_generation_prompt, chat_template_kwargs")
      ->required();
  command->callback([=] { *run = [=] { return RunTemplate(*options, std::cout); }; });
}

void AddLogits(CLI::App& app, RunCommand* run) {
  std::shared_ptr<LogitsOptions> options;
  CLI::App* command = AddCommand(
      app, "logits", "Write the logits of given prompts to a safetensors file", &options);
  command->add_option("--model", options->model_path, "Folder of the checkpoint, or a GGUF file")
      ->required();
  command
      ->add_option("--prompts", options->prompts_path,
                   "A JSON object a line: prompt_tokens and, if given, id")
      ->required();
  command->add_option("--out", options->out_path, "The file to write")->required();
  command->add_option("--compute", options->compute, "bf16, f32 or w8a8")
      ->capture_default_str()
      ->check(CLI::IsMember({"bf16", "f32", "w8a8"}));
  command->add_option("--weights", options->weights, "stored, q8 or q4; see serve")
      ->capture_default_str()
      ->check(CLI::IsMember({"stored", "q8", "q4"}));
  command->add_option("--dp", options->data_parallel, "Attention groups")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--tp", options->tensor_parallel, "Ranks of each group")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_option("--greedy", options->greedy, "Tokens to generate after each prompt")
      ->capture_default_str();
  command->add_option("--chunk", options->chunk, "Prompt tokens of one sequence in one step")
      ->capture_default_str();
  command->add_option("--batch", options->batch, "Sequences of one group in one step")
      ->capture_default_str();
  command
      ->add_option("--threads", options->num_threads,
                   "Threads of all ranks together; 0: one per core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->add_option("--packed-cache", options->packed_cache,
                      "Folder where packed weights are kept for the next run");
  AddDeviceFlags(command, options.get());
  command->callback([=] {
    *run = [=] {
      options->cancel = &WatchInterrupts().any;
      return RunLogits(*options);
    };
  });
}

void AddConvert(CLI::App& app, RunCommand* run) {
  std::shared_ptr<ConvertOptions> options;
  CLI::App* command = AddCommand(app, "convert", "Write an FP8 checkpoint as BF16", &options);
  command->add_option("--model", options->model_folder, "Folder of the checkpoint, or a GGUF file")
      ->required();
  command->add_option("--to", options->to, "Target type")
      ->capture_default_str()
      ->check(CLI::IsMember({"bf16"}));
  command->add_option("--out", options->out_folder, "Folder to make")->required();
  command->add_option("--shard-size", options->shard_bytes, "Largest file, such as 5GB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command->add_option("--threads", options->num_threads, "0: one per core")->capture_default_str();
  command->callback([=] {
    *run = [=] {
      options->cancel = &WatchInterrupts().any;
      return RunConvert(*options);
    };
  });
}

void AddManifest(CLI::App& app, RunCommand* run) {
  std::shared_ptr<ManifestCommandOptions> options;
  CLI::App* command = AddCommand(
      app, "manifest", "Write the digests of a checkpoint, for --verify, or hold it against them",
      &options);
  command->add_option("--model", options->model_folder, "Folder of the checkpoint, or a GGUF file")
      ->required();
  command->add_flag("--check", options->check, "Write nothing: read all and name what is damaged");
  command->add_option("--threads", options->num_threads, "Threads that read")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->callback([=] {
    *run = [=] {
      options->cancel = &WatchInterrupts().any;
      return RunManifest(*options);
    };
  });
}

void AddSynth(CLI::App& app, RunCommand* run) {
  std::shared_ptr<SynthOptions> options;
  CLI::App* command =
      AddCommand(app, "synth", "Write a checkpoint with random weights, for benchmarks", &options);
  command->add_option("--config", options->config_path, "A config.json of a model that is served")
      ->required();
  command->add_option("--dtype", options->dtype, "bf16 or fp8")
      ->capture_default_str()
      ->check(CLI::IsMember({"bf16", "fp8"}));
  command->add_option("--seed", options->seed, "Same seed, same bytes")->capture_default_str();
  command->add_option("--out", options->out_folder, "Folder to make")->required();
  command->add_option("--tokenizer", options->tokenizer_folder,
                      "Folder whose tokenizer files are copied");
  command->add_flag(
      "--sparse", options->sparse,
      "True headers, scales, norms and gates; FP8 weights and other large tensors are "
      "holes that read as zeros");
  command
      ->add_option("--fill", options->fill,
                   "With --sparse: names of tensors to write in full, such as "
                   "'model.layers.3.*'; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--shard-size", options->shard_bytes, "Largest file, such as 5GB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command->add_option("--threads", options->num_threads, "0: one per core")->capture_default_str();
  command->callback([=] {
    *run = [=]() -> absl::Status {
      options->cancel = &WatchInterrupts().any;
      SynthReport report;
      SY_RETURN_IF_ERROR(RunSynth(*options, &report));
      fmt::print("{}: {} tensors, {} in {} files, {} of disk\n", options->out_folder,
                 report.num_tensors, FormatBytes(report.num_bytes), report.num_files,
                 FormatBytes(report.disk_bytes));
      return absl::OkStatus();
    };
  });
}

}  // namespace

void AddServingCommands(CLI::App& app, RunCommand* run) {
  AddServe(app, run);
  AddChat(app, run);
  AddStatus(app, run);
}

void AddPlanCommands(CLI::App& app, RunCommand* run) {
  AddPlan(app, run);
  AddProbe(app, run);
}

void AddModelCommands(CLI::App& app, RunCommand* run) {
  AddModels(app, run);
  AddTokenize(app, run);
  AddTemplate(app, run);
  AddLogits(app, run);
}

void AddCheckpointCommands(CLI::App& app, RunCommand* run) {
  AddConvert(app, run);
  AddManifest(app, run);
  AddSynth(app, run);
}

}  // namespace switchyard::cli
