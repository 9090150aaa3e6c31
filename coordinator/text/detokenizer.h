// One answer's tokens to text, as they come.
#ifndef SWITCHYARD_COORDINATOR_TEXT_DETOKENIZER_H_
#define SWITCHYARD_COORDINATOR_TEXT_DETOKENIZER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/text/tokenizer.h"

namespace switchyard::text {

// Owned by one request, used by one thread at a time. All deltas and what Flush gives, joined, are
// Tokenizer::Decode of all ids.
class Detokenizer {
 public:
  // `tokenizer` must outlive this object.
  // Special tokens in `kept` are text even where others are skipped.
  Detokenizer(const Tokenizer& tokenizer, bool skip_special, std::vector<int32_t> kept = {})
      : tokenizer_(tokenizer), skip_special_(skip_special), kept_(std::move(kept)) {}

  // The text that token `id` completes: whole characters, perhaps none. Bytes that can become no
  // character are U+FFFD.
  std::string Push(int32_t id);

  // The rest at the end of the answer: U+FFFD if it broke off within a character, else nothing.
  std::string Flush();

 private:
  const Tokenizer& tokenizer_;
  const bool skip_special_;
  const std::vector<int32_t> kept_;
  bool at_first_ = true;  // no token with bytes has come yet
  std::string pending_;   // the beginning of one character, at most 3 bytes
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_DETOKENIZER_H_
