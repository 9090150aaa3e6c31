// The vocabulary of a Unigram model in tokenizer.json: tokens with scores, in the order of their
// ids.
#ifndef SWITCHYARD_COORDINATOR_TEXT_UNIGRAM_VOCAB_H_
#define SWITCHYARD_COORDINATOR_TEXT_UNIGRAM_VOCAB_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <string>

#include "base/status.h"
#include "coordinator/text/json_field.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

struct UnigramVocab {
  absl::flat_hash_map<std::string, int32_t> ids;  // by spelling
  UnigramSpec spec;
};

// `model`: the object whose type is "Unigram". INVALID_ARGUMENT for a token without a score, one
// that is there twice, or an unk_id that is none of the tokens; the message names the field.
absl::StatusOr<UnigramVocab> ReadUnigramVocab(const JsonField& model);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_UNIGRAM_VOCAB_H_
