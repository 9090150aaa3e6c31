#include "coordinator/core/kv/block_hash.h"

#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>

#include <algorithm>

namespace switchyard::core {

BlockContent ContentOf(const TokenChain& chain, int32_t index, int32_t block_tokens) {
  const int32_t begin = index * block_tokens;
  return {.num_prompt = std::clamp(chain.prompt_length - begin, 0, block_tokens),
          .tokens = chain.tokens.subspan(begin, block_tokens)};
}

uint64_t HashSalt(std::string_view salt) {
  return absl::HashOf(absl::string_view(salt.data(), salt.size()));
}

uint64_t HashBlock(uint64_t hash_before, const BlockContent& content) {
  const absl::string_view bytes(reinterpret_cast<const char*>(content.tokens.data()),
                                content.tokens.size_bytes());
  return absl::HashOf(hash_before, content.num_prompt, bytes);
}

}  // namespace switchyard::core
