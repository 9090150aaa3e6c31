#include "coordinator/text/detokenizer.h"

#include <algorithm>
#include <utility>

#include "coordinator/text/utf8.h"

namespace switchyard::text {

std::string Detokenizer::Push(int32_t id) {
  const bool is_skipped = skip_special_ && tokenizer_.IsSpecial(id) &&
                          std::find(kept_.begin(), kept_.end(), id) == kept_.end();
  if (is_skipped || tokenizer_.DecodeToken(id).empty()) return {};
  std::string bytes = std::exchange(pending_, {});
  bytes += std::exchange(at_first_, false) ? tokenizer_.DecodeFirstToken(id)
                                           : tokenizer_.DecodeToken(id);
  std::string text;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const Utf8Head head = ReadUtf8Head(rest);
    if (head.kind == Utf8Head::Kind::kIncomplete) break;
    text += head.kind == Utf8Head::Kind::kValid ? rest.substr(0, head.num_bytes) : kReplacement;
    rest.remove_prefix(head.num_bytes);
  }
  pending_ = rest;
  return text;
}

std::string Detokenizer::Flush() { return ReplaceInvalidUtf8(std::exchange(pending_, {})); }

}  // namespace switchyard::text
