// What a full KV block holds, as a number to look it up by.
//
// The bits of a block follow from its tokens, from all tokens before it, and from the MLA form of
// each: a prompt's token is computed in the naive form, an answer's in the absorbed one, and the
// two round differently. So the hash of a block chains that of the block before it, and covers how
// many of its tokens are prompt. The chain begins with the salt, which keeps tenants apart.
//
// The hash only finds: PrefixCache compares what it found, so a collision costs a hit and never an
// answer. That is why 64 bits of a fast hash suffice, also against prompts made to collide.
#ifndef SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_HASH_H_
#define SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_HASH_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace switchyard::core {

// A sequence's tokens and what else decides the bits of its blocks.
struct TokenChain {
  std::string_view salt;      // chains of different salts share nothing
  int32_t prompt_length = 0;  // tokens before this position are prompt
  std::span<const int32_t> tokens;
};

// One full block of a chain.
struct BlockContent {
  int32_t num_prompt = 0;  // of its tokens
  std::span<const int32_t> tokens;
};

// Block `index` of the chain. REQUIRES: all its tokens are there.
BlockContent ContentOf(const TokenChain& chain, int32_t index, int32_t block_tokens);

uint64_t HashSalt(std::string_view salt);
uint64_t HashBlock(uint64_t hash_before, const BlockContent& content);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_HASH_H_
