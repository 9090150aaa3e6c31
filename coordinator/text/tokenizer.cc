#include "coordinator/text/tokenizer.h"

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

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (!skip_special || !IsSpecial(id)) bytes += DecodeToken(id);
  }
  if (strips_space() && bytes.starts_with(' ')) bytes.erase(0, 1);
  return ReplaceInvalidUtf8(bytes);
}

}  // namespace switchyard::text
