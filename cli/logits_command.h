// `switchyard logits`: what the model computes for given prompts, as numbers in a file: for when an
// answer looks wrong, and for holding one engine or layout against another.
#ifndef SWITCHYARD_CLI_LOGITS_COMMAND_H_
#define SWITCHYARD_CLI_LOGITS_COMMAND_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct LogitsOptions {
  std::string model_path;
  std::string prompts_path;  // a JSON object a line: "prompt_tokens", and "id" if given
  std::string out_path;      // a safetensors file
  std::string compute = "bf16";
  std::string weights = "stored";  // or q8, q4: quantised while they are loaded
  int data_parallel = 1;
  int tensor_parallel = 1;
  int chunk = 512;      // prompt tokens of one sequence in one step
  int batch = 8;        // sequences computed together, in each group
  int greedy = 0;       // tokens to generate after each prompt
  int num_threads = 0;  // 0: one per core
  std::string isa = "auto";
  std::string backend = "auto";  // cpu, cuda, or auto: cuda where a device is found
  std::string packed_cache;      // folder of packed weights; empty: none
  // Ends with CANCELLED, and without a file, soon after it becomes true. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

// Writes logits.<id>, F32 [prompt positions, vocabulary], and with greedy > 0 tokens.<id>, I32
// [greedy]: the likeliest token each time, also after an end-of-sequence token. INVALID_ARGUMENT
// names line and field of a prompt that is not one.
absl::Status RunLogits(const LogitsOptions& options);

// "bf16", "f32" or "w8a8".
absl::StatusOr<int> ParseComputeMode(const std::string& name);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_LOGITS_COMMAND_H_
