// `switchyard synth`: a checkpoint of any size with random weights, in the published layout, for
// benchmarks and tests. Sparse, it has all headers and little else: what parses, shards and loads
// even the largest models on a small disk.
#ifndef SWITCHYARD_CLI_SYNTH_COMMAND_H_
#define SWITCHYARD_CLI_SYNTH_COMMAND_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/checkpoint_writer.h"

namespace switchyard::cli {

struct SynthOptions {
  std::string config_path;     // a config.json of a model that is served
  std::string dtype = "bf16";  // or "fp8": linears in e4m3 with 128x128 scale blocks
  uint64_t seed = 0;
  std::string out_folder;        // must not exist, or be empty
  std::string tokenizer_folder;  // whose tokenizer files are copied; empty: none
  int64_t shard_bytes = kDefaultShardBytes;
  int num_threads = 0;  // 0: one per CPU
  // FP8 weights and other tensors over kMostSparseBytes are holes, which read as zeros and take no
  // disk; scales are the largest that a weight of theirs could need, the rest is as otherwise.
  bool sparse = false;
  // Sparse: patterns (fnmatch) of names of tensors that are written in full all the same.
  std::vector<std::string> fill;
  // Stops with CANCELLED soon after it becomes true. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

inline constexpr int64_t kMostSparseBytes = int64_t{16} << 20;

struct SynthReport {
  int64_t num_tensors = 0;
  int64_t num_bytes = 0;  // of all tensors
  int64_t num_files = 0;  // of tensors
  int64_t disk_bytes = 0;
};

// Same options, same bytes, on any machine and with any number of threads. The FP8 checkpoint of a
// seed is the BF16 one's values quantised. Linears have deviation 1/sqrt(inputs), so activations
// keep their size from layer to layer. After a failure there is no output folder.
//
// INVALID_ARGUMENT and UNIMPLEMENTED: what the config says, an unknown dtype, or `fill` of what is
// not sparse. Others: the files'
// own errors.
absl::Status RunSynth(const SynthOptions& options, SynthReport* report = nullptr);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_SYNTH_COMMAND_H_
