// The tokenizer and chat template of a GGUF file, in the words of tokenizer.json and
// tokenizer_config.json: the readers of those check and compile the result. Keys are
// `tokenizer.ggml.*` and `tokenizer.chat_template`
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
#ifndef SWITCHYARD_COORDINATOR_TEXT_GGUF_TOKENIZER_H_
#define SWITCHYARD_COORDINATOR_TEXT_GGUF_TOKENIZER_H_

#include "base/json.h"
#include "base/status.h"

namespace switchyard::text {

// `tokenizer.ggml.model` "gpt2": byte-level BPE, its expressions by the name in
// `tokenizer.ggml.pre`. "llama": SentencePiece's BPE, merges in the order of the scores of what
// they make (of equal ones by the ids), bytes to fall back on. INVALID_ARGUMENT: missing keys, or
// lists that do not fit each other. UNIMPLEMENTED: another model, or an unknown `pre`, with the
// list of those that are known.
absl::StatusOr<Json> GgufTokenizerJson(const Json& metadata);

// `bos_token`, `eos_token`, `add_bos_token`, and `chat_template` where the file has one.
// INVALID_ARGUMENT for ids that are no tokens. `add_eos_token` is left out: it has no place in a
// prompt.
absl::StatusOr<Json> GgufTokenizerConfig(const Json& metadata);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_GGUF_TOKENIZER_H_
