// switchyard-worker: one device of a cluster.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <map>
#include <string>

#include "base/exit_code.h"
#include "base/program.h"
#include "base/version.h"
#include "worker/worker.h"

namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set in a signal handler");

void RequestStop(int) { stop_requested = true; }

}  // namespace

int main(int argc, char** argv) {
  switchyard::PrepareProgram();
  using switchyard::worker::WorkerConfig;
  CLI::App app(
      "One worker of a Switchyard cluster: holds its shard of the model on a GPU or on this "
      "machine's CPU cores and computes the steps that the coordinator plans.\n"
      "Example: switchyard-worker --coordinator 10.0.0.1:7070 --host 10.0.0.2");
  app.set_version_flag("--version", std::string(switchyard::kVersion));
  WorkerConfig config;
  app.add_option("--coordinator", config.coordinator, "Address of the coordinator's gRPC service")
      ->capture_default_str();
  app.add_option("--rank", config.rank, "Rank to ask for; -1 takes any that is free")
      ->capture_default_str()
      ->check(CLI::Range(-1, 4095));
  app.add_option("--host", config.host,
                 "Name or address of this host as other workers reach it (default 127.0.0.1)");
  app.add_option("--interface", config.interface,
                 "Network interface whose address other workers reach, in place of --host");
  app.add_option("--backend", config.backend, "cpu, cuda, or auto: cuda where a device is found")
      ->capture_default_str();
  app.add_option("--device", config.device,
                 "cuda: which GPU of those that are visible; cpu: which worker of this host")
      ->capture_default_str()
      ->check(CLI::Range(0, 63));
  app.add_option("--host-workers", config.host_workers,
                 "Workers on this host; with --backend auto they compute on GPUs only where there "
                 "is one for each; CPU workers spread evenly over the machine's memory nodes")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app.add_option("--cuda-graphs", config.cuda_graphs,
                 "cuda: record decode steps as CUDA graphs and replay them: on or off")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, bool>{{"on", true}, {"off", false}}))
      ->default_str("on");
  app.add_option("--threads", config.num_threads, "Threads that compute; 0: one per core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.add_option("--first-cpu", config.first_cpu,
                 "Pin threads to cores from this one on; -1: do not pin, but keep to the cores of "
                 "one memory node where the host's workers spread evenly over several")
      ->capture_default_str()
      ->check(CLI::Range(-1, 4095));
  app.add_option(
         "--isa", config.isa,
         "Instruction set: auto, avx512-bf16, avx512, avx2 or portable; all workers must have one")
      ->capture_default_str();
  app.add_option("--memory", config.memory_bytes,
                 "Bytes of memory to use, such as 8GiB; 0: three quarters of the machine's")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--load-threads", config.load_threads,
                 "Threads that read the checkpoint through the page cache")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option(
         "--direct-io", config.direct_io,
         "Read weights past the page cache: on, off, or auto: where the checkpoint is larger "
         "than a quarter of memory")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "on", "off"}));
  app.add_flag("--verify", config.verify,
               "Hold weights against the checkpoint's manifest while they are read (written by "
               "`switchyard manifest`)");
  app.add_option("--packed-cache", config.packed_cache,
                 "Folder where packed weights are kept, so that the next start need not pack them "
                 "again; made if it is missing");
  app.add_option("--max-load-silence", config.max_load_silence_seconds,
                 "Seconds for which the disk may give no byte while weights are read")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  app.add_option("--connect-seconds", config.connect_seconds,
                 "How long to wait for the coordinator")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  app.add_option("--peer-timeout-seconds", config.peer_timeout_seconds,
                 "How long a step waits for another worker before it counts as lost")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  app.add_option("--max-silence-seconds", config.max_silence_seconds,
                 "A coordinator that says nothing for so long counts as lost; it speaks twice a "
                 "second")
      ->capture_default_str()
      ->check(CLI::Range(2, 3600));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? switchyard::kExitOk : switchyard::kExitUsage;
  }

  spdlog::set_default_logger(spdlog::stderr_color_mt("worker", switchyard::StderrHasColor()
                                                                   ? spdlog::color_mode::automatic
                                                                   : spdlog::color_mode::never));
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  return switchyard::ReportAndExitCode("switchyard-worker",
                                       switchyard::worker::RunWorker(config, stop_requested));
}
