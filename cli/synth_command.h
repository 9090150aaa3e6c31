// `switchyard synth`: a checkpoint of any size with random weights, in the published layout, for
// benchmarks and tests.
#ifndef SWITCHYARD_CLI_SYNTH_COMMAND_H_
#define SWITCHYARD_CLI_SYNTH_COMMAND_H_

#include <atomic>
#include <cstdint>
#include <string>

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
  // Stops with CANCELLED soon after it becomes true. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

// Same options, same bytes, on any machine and with any number of threads. The FP8 checkpoint of a
// seed is the BF16 one's values quantised. Linears have deviation 1/sqrt(inputs), so activations
// keep their size from layer to layer. After a failure there is no output folder.
//
// INVALID_ARGUMENT and UNIMPLEMENTED: what the config says, or an unknown dtype. Others: the files'
// own errors.
absl::Status RunSynth(const SynthOptions& options);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_SYNTH_COMMAND_H_
