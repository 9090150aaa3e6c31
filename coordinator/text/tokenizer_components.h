// The exchangeable parts that tokenizer.json names by type: normalizer, pre_tokenizer, decoder,
// post_processor.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_COMPONENTS_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_COMPONENTS_H_

#include <vector>

#include "base/status.h"
#include "coordinator/text/json_field.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

// Each: INVALID_ARGUMENT for a malformed field, UNIMPLEMENTED for a type or option that Switchyard
// does not know; both name it.

absl::StatusOr<std::vector<NormalizerSpec>> ReadNormalizers(const JsonField& field);

// UNIMPLEMENTED also if the last step is not ByteLevel: then the tokenizer is no byte-level one.
absl::StatusOr<std::vector<SplitSpec>> ReadSplits(const JsonField& field);

absl::Status CheckDecoder(const JsonField& field);

// The ids that the post-processor puts in front of a text. What it puts behind has no place in a
// prompt and is left out.
absl::StatusOr<std::vector<int32_t>> ReadPrefixIds(const JsonField& field,
                                                   const std::vector<TokenSpec>& tokens);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_COMPONENTS_H_
