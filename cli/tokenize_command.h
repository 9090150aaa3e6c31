// `switchyard tokenize`: text to token ids and back, for when a prompt's ids look wrong.
#ifndef SWITCHYARD_CLI_TOKENIZE_COMMAND_H_
#define SWITCHYARD_CLI_TOKENIZE_COMMAND_H_

#include <iosfwd>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct TokenizeOptions {
  std::string model_folder;   // holds tokenizer.json
  bool parse_special = true;  // added tokens in the text become their ids (--no-special: false)
  bool decode = false;        // ids to text (--decode)
};

// Reads all of `in`. Encoding: the exact bytes, a newline at the end included, to ids separated by
// spaces and a newline; no BOS is added. Decoding: ids separated by white space to the exact bytes
// of their tokens. Nothing is written after a fault. INVALID_ARGUMENT: input that is not UTF-8, too
// long, or an id that is no number of the vocabulary; the tokenizer files' own errors
// (Tokenizer::FromFiles). UNAVAILABLE: `out` does not take the result.
absl::Status RunTokenize(const TokenizeOptions& options, std::istream& in, std::ostream& out);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_TOKENIZE_COMMAND_H_
