// The exchangeable parts that tokenizer.json names by type: normalizer, pre_tokenizer, decoder,
// post_processor.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_COMPONENTS_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_COMPONENTS_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/text/json_field.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

// Each: INVALID_ARGUMENT for a malformed field, UNIMPLEMENTED for a type or option that Switchyard
// does not know; both name it.

absl::StatusOr<std::vector<NormalizerSpec>> ReadNormalizers(const JsonField& field);

// Of Split, Digits, WhitespaceSplit, Metaspace and ByteLevel. UNIMPLEMENTED also if the last step
// is not ByteLevel though the symbols are bytes, or is though they are not.
absl::StatusOr<std::vector<SplitSpec>> ReadSplits(const JsonField& field, Symbols symbols);

// What becomes of tokens on their way into text.
struct DecoderSpec {
  // Of symbols that are characters: in each token `from` becomes `to`, in this order.
  struct Replacement {
    std::string from;
    std::string to;
  };
  std::vector<Replacement> replacements;
  bool falls_back = false;         // "<0xE2>" is a byte
  size_t num_stripped_spaces = 0;  // Tokenizer::num_stripped_spaces
};
// UNIMPLEMENTED also for steps that do not fit the symbols: ByteLevel for bytes; for characters
// Metaspace, or Replace, ByteFallback, Fuse and Strip (spaces at the beginning), in this order.
absl::StatusOr<DecoderSpec> ReadDecoder(const JsonField& field, Symbols symbols);

// The ids that the post-processor puts in front of a text. What it puts behind has no place in a
// prompt and is left out.
absl::StatusOr<std::vector<int32_t>> ReadPrefixIds(const JsonField& field,
                                                   const std::vector<TokenSpec>& tokens);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_COMPONENTS_H_
