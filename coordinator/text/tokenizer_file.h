// Reads tokenizer.json and tokenizer_config.json into a TokenizerSpec. They come from outside:
// every size, id and reference is checked here, once.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_FILE_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/units.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

inline constexpr int64_t kMaxTokenizerFileBytes = 64 * kMiB;
inline constexpr int64_t kMaxTokenizerConfigBytes = 8 * kMiB;
inline constexpr int32_t kMaxTokenId = (1 << 24) - 1;
inline constexpr size_t kMaxAddedTokenBytes = 256;

// Both files of a checkpoint folder; tokenizer_config.json may be missing. Or tiktoken.model in
// place of the first (tiktoken_file.h), or a GGUF file, which has both in its own way
// (gguf_tokenizer.h). NOT_FOUND, INVALID_ARGUMENT (malformed, inconsistent,
// too large) or UNIMPLEMENTED (a component that Switchyard does not know); the message names file
// and field.
absl::StatusOr<TokenizerSpec> ReadTokenizerSpec(const std::string& dir);

// The text of tokenizer.json. Messages name the field.
absl::StatusOr<TokenizerSpec> ParseTokenizerJson(std::string_view text);

// The text of tokenizer_config.json: sets bos_id, eos_id and prefix_ids.
absl::Status ApplyTokenizerConfig(std::string_view text, TokenizerSpec& spec);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_FILE_H_
