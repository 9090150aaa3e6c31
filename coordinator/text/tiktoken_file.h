// Tokenizers of checkpoints that have tiktoken.model and no tokenizer.json (Kimi-K2), in the words
// of the latter: its reader checks and compiles the result.
//
// tiktoken.model is text: a token a line, its bytes in base64, then its rank, which is its id. Any
// two neighbours that make a token may merge; that of the lowest rank does first, of equal ones the
// leftmost (TokenizerSpec::merges_by_result). How text is cut before is in no file: the expression
// is that of Kimi (MODEL_SPECS 9.1). Special tokens are those of tokenizer_config.json.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TIKTOKEN_FILE_H_
#define SWITCHYARD_COORDINATOR_TEXT_TIKTOKEN_FILE_H_

#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::text {

inline constexpr std::string_view kTiktokenFileName = "tiktoken.model";

// `config`: tokenizer_config.json. INVALID_ARGUMENT names the line or the field.
absl::StatusOr<Json> TiktokenTokenizerJson(std::string_view model, const Json& config);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TIKTOKEN_FILE_H_
