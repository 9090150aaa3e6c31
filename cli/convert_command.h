// `switchyard convert`: an FP8 checkpoint or a GGUF file as a folder in BF16, tensor by tensor, for
// engines and tools that read neither.
#ifndef SWITCHYARD_CLI_CONVERT_COMMAND_H_
#define SWITCHYARD_CLI_CONVERT_COMMAND_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "cli/checkpoint_writer.h"

namespace switchyard::cli {

struct ConvertOptions {
  std::string model_folder;
  std::string to = "bf16";  // the only target so far
  std::string out_folder;   // must not exist, or be empty
  int64_t shard_bytes = kDefaultShardBytes;
  int num_threads = 0;  // 0: one per CPU
  // Stops with CANCELLED soon after it becomes true. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

// Every FP8 weight becomes round_to_bf16(float(w8) * scale); its `_scale_inv` goes; all other
// tensors stay as they are. config.json loses `quantization_config`; tokenizer and generation files
// are copied.
//
// Of a GGUF file, what its blocks stand for is rounded to BF16, rows get their published order;
// config.json and the tokenizer's files are made of its metadata.
//
// A thread works on some 4 MB at a time, whatever the model's size. After a failure there is no
// output folder.
//
// INVALID_ARGUMENT: a broken checkpoint, scales that are no positive numbers, a folder that is not
// FP8. UNIMPLEMENTED: another target or quantisation, and GGUF files of gemma3 and gpt-oss. Others:
// the files' own errors. Messages name file or tensor.
absl::Status RunConvert(const ConvertOptions& options);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_CONVERT_COMMAND_H_
