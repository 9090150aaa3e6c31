#include "coordinator/text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/gguf.h"
#include "coordinator/text/bpe_tokenizer.h"
#include "coordinator/text/tokenizer_file.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromFiles(const std::string& dir) {
  SY_ASSIGN_OR_RETURN(TokenizerSpec spec, ReadTokenizerSpec(dir));
  absl::StatusOr<std::unique_ptr<BpeTokenizer>> tokenizer = BpeTokenizer::Create(std::move(spec));
  if (!tokenizer.ok()) {
    return Annotate(tokenizer.status(), IsGgufPath(dir) ? dir : dir + "/tokenizer.json");
  }
  return std::move(tokenizer).value();
}

std::string_view Tokenizer::DecodeFirstToken(int32_t id) const {
  std::string_view bytes = DecodeToken(id);
  const size_t num_spaces = std::min(bytes.find_first_not_of(' '), bytes.size());
  bytes.remove_prefix(std::min(num_spaces, num_stripped_spaces()));
  return bytes;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  bool at_first = true;
  for (const int32_t id : ids) {
    if ((skip_special && IsSpecial(id)) || DecodeToken(id).empty()) continue;
    bytes += std::exchange(at_first, false) ? DecodeFirstToken(id) : DecodeToken(id);
  }
  return ReplaceInvalidUtf8(bytes);
}

}  // namespace switchyard::text
