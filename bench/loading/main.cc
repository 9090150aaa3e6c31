// Loads a checkpoint from the disk and from the page cache, beside what the disk and the memory
// give in the same run.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/exit_code.h"
#include "base/units.h"
#include "bench/kernels/machine_probe.h"
#include "cli/local_engine.h"
#include "cli/probe_rates.h"
#include "worker/weights/checkpoint.h"
#include "worker/weights/manifest.h"

namespace switchyard::bench {
namespace {

struct Flags {
  std::string model;
  std::string compute = "bf16";
  int data_parallel = 1;
  int tensor_parallel = 1;
  int threads = 0;
  int64_t probe_bytes = 2 * kGiB;
  int rounds = 2;
  bool verify = false;
  bool buffered = false;
  std::string packed_cache;
};

// Asks the system to forget what it has of the files.
void DropFromCache(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    fsync(fd);  // pages that were not written yet would stay
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
}

void BringIntoCache(const std::vector<std::string>& paths) {
  std::vector<char> buffer(8 * kMiB);
  for (const std::string& path : paths) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    while (read(fd, buffer.data(), buffer.size()) > 0) {
    }
    close(fd);
  }
}

v1::ComputeMode ComputeMode(const std::string& name) {
  if (name == "f32") return v1::COMPUTE_MODE_F32;
  return name == "w8a8" ? v1::COMPUTE_MODE_W8A8 : v1::COMPUTE_MODE_BF16;
}

absl::StatusOr<double> DiskRate(const Flags& flags) {
  cli::ProbeOptions options{
      .num_devices = 1, .folder = flags.model, .disk_bytes = flags.probe_bytes};
  return cli::DiskBytesPerSecond(options);
}

class LoadingBench {
 public:
  LoadingBench(const Flags& flags, const worker::Checkpoint& checkpoint)
      : flags_(flags),
        checkpoint_(checkpoint),
        pool_({.num_threads = std::max(1, int(sysconf(_SC_NPROCESSORS_ONLN)))}),
        memory_(pool_) {}

  absl::Status Run() {
    fmt::print("{}: {} in {} files, {} x {} ranks, {}{}\n", flags_.model,
               FormatBytes(checkpoint_.num_bytes()), checkpoint_.files().size(),
               flags_.data_parallel, flags_.tensor_parallel, flags_.compute,
               flags_.verify ? ", verified" : "");
    fmt::print("{:<6} {:>8} {:>8} {:>8} {:>10} {:>10} {:>9} {:>6} {:>8} {:>8} {:>6}\n", "cache",
               "read", "s", "GB/s", "direct", "cached", "staging", "new", "before", "after",
               "share");
    for (int round = 0; round < flags_.rounds; ++round) SY_RETURN_IF_ERROR(Cold());
    for (int round = 0; round < flags_.rounds; ++round) SY_RETURN_IF_ERROR(Warm());
    return flags_.packed_cache.empty() ? absl::OkStatus() : Packed();
  }

 private:
  // Shares: of the disk as `switchyard probe` measures it.
  absl::Status Cold() {
    SY_ASSIGN_OR_RETURN(const double before, DiskRate(flags_));
    DropFromCache(checkpoint_.files());
    SY_ASSIGN_OR_RETURN(const double rate, Load("cold", !flags_.buffered));
    SY_ASSIGN_OR_RETURN(const double after, DiskRate(flags_));
    PrintShare(rate, before, after);
    return absl::OkStatus();
  }

  // Shares: of linear reads of memory by all threads.
  absl::Status Warm() {
    BringIntoCache(checkpoint_.files());
    const double before = memory_.ReadBytesPerSecond();
    SY_ASSIGN_OR_RETURN(const double rate, Load("warm", false));
    PrintShare(rate, before, memory_.ReadBytesPerSecond());
    return absl::OkStatus();
  }

  // The same with packed weights on the disk: written first, then read cold and warm.
  absl::Status Packed() {
    BringIntoCache(checkpoint_.files());
    SY_RETURN_IF_ERROR(Load("packs", false, flags_.packed_cache).status());
    fmt::print("\n");
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(flags_.packed_cache)) {
      files.push_back(entry.path());
    }
    for (int round = 0; round < flags_.rounds; ++round) {
      SY_ASSIGN_OR_RETURN(const double before, DiskRate(flags_));
      DropFromCache(files);
      SY_ASSIGN_OR_RETURN(const double rate, Load("p cold", true, flags_.packed_cache));
      SY_ASSIGN_OR_RETURN(const double after, DiskRate(flags_));
      PrintShare(rate, before, after);
    }
    for (int round = 0; round < flags_.rounds; ++round) {
      const double before = memory_.ReadBytesPerSecond();
      SY_ASSIGN_OR_RETURN(const double rate, Load("p warm", false, flags_.packed_cache));
      PrintShare(rate, before, memory_.ReadBytesPerSecond());
    }
    return absl::OkStatus();
  }

  static void PrintShare(double rate, double before, double after) {
    fmt::print(" {:>8.2f} {:>8.2f} {:>5.0f}%\n", before / 1e9, after / 1e9,
               200 * rate / (before + after));
    std::fflush(stdout);
  }

  // Bytes per second of all ranks together, by the slowest. Before it, in GB/s, how fast memory
  // comes that was not used before: packed weights are as large as what is read.
  absl::StatusOr<double> Load(std::string_view cache, bool direct,
                              const std::string& packed_cache = "") {
    cli::LocalEngineOptions options{.model_path = flags_.model,
                                    .data_parallel = flags_.data_parallel,
                                    .tensor_parallel = flags_.tensor_parallel,
                                    .compute = ComputeMode(flags_.compute),
                                    .max_batched_tokens = 64,
                                    .max_running = 1,
                                    .num_kv_blocks = 64,
                                    .num_threads = flags_.threads,
                                    .backend = "cpu"};
    options.direct_reads = direct;
    options.packed_cache = packed_cache;
    options.load_note = [](const worker::LoadNote& note) {
      if (note.warning) fmt::print(stderr, "{}\n", note.text);
    };
    options.verify = flags_.verify;
    const double new_rate = memory_.NewBytesPerSecond();
    SY_ASSIGN_OR_RETURN(const auto engine, cli::LocalEngine::Create(options));
    int64_t bytes = 0, direct_bytes = 0, cached_bytes = 0, staging = 0;
    double seconds = 0;
    for (int rank = 0; rank < flags_.data_parallel * flags_.tensor_parallel; ++rank) {
      const worker::Executor& executor = engine->executor(rank);
      const worker::LoadFigures& figures = executor.load_figures();
      bytes += executor.weight_bytes_read();
      direct_bytes += figures.read.direct_bytes;
      cached_bytes += figures.read.cached_bytes;
      staging += figures.staging_bytes;
      seconds = std::max(seconds, figures.seconds);
    }
    fmt::print("{:<6} {:>8} {:>8.2f} {:>8.2f} {:>10} {:>10} {:>9} {:>6.2f}", cache,
               FormatBytes(bytes), seconds, double(bytes) / seconds / 1e9,
               FormatBytes(direct_bytes), FormatBytes(cached_bytes), FormatBytes(staging),
               new_rate / 1e9);
    return double(bytes) / seconds;
  }

  const Flags& flags_;
  const worker::Checkpoint& checkpoint_;
  kernels::cpu::ThreadPool pool_;
  const MachineProbe memory_;
};

absl::Status Run(const Flags& flags) {
  SY_ASSIGN_OR_RETURN(const worker::Checkpoint checkpoint, worker::Checkpoint::Open(flags.model));
  return LoadingBench(flags, checkpoint).Run();
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  switchyard::bench::Flags flags;
  CLI::App app(
      "Loads a checkpoint cold and warm, beside the rates of disk and memory in the same run.\n"
      "Example: switchyard synth --config bench/shapes/v3-small.json --dtype bf16 --out /tmp/v3 && "
      "bench_loading --model /tmp/v3");
  app.add_option("--model", flags.model, "Folder of the checkpoint")->required();
  app.add_option("--compute", flags.compute, "bf16, f32 or w8a8")
      ->capture_default_str()
      ->check(CLI::IsMember({"bf16", "f32", "w8a8"}));
  app.add_option("--dp", flags.data_parallel, "Attention groups")->capture_default_str();
  app.add_option("--tp", flags.tensor_parallel, "Ranks of a group")->capture_default_str();
  app.add_option("--threads", flags.threads, "That pack, of all ranks; 0: one per core")
      ->capture_default_str();
  app.add_option("--rounds", flags.rounds, "Loads with each cache")->capture_default_str();
  app.add_option("--probe-bytes", flags.probe_bytes, "That the disk is probed by, such as 2GiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_flag("--verify", flags.verify, "Hold what is read against the manifest");
  app.add_option("--packed-cache", flags.packed_cache,
                 "Load with packed weights in this folder, too: first written, then cold and warm");
  app.add_flag("--buffered", flags.buffered, "Read through the page cache when it is cold, too");
  CLI11_PARSE(app, argc, argv);
  return switchyard::ReportAndExitCode("bench_loading", switchyard::bench::Run(flags));
}
