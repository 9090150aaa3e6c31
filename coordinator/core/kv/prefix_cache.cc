#include "coordinator/core/kv/prefix_cache.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::core {

PrefixCache::PrefixCache(int32_t num_blocks, int32_t block_tokens)
    : block_tokens_(block_tokens), entries_(num_blocks) {
  SY_CHECK_GT(num_blocks, 0);
  SY_CHECK_GT(block_tokens, 0);
}

bool PrefixCache::Holds(int32_t block, int32_t before, std::string_view salt,
                        const BlockContent& content) const {
  const Entry& entry = entries_[block];
  return entry.before == before && entry.num_prompt == content.num_prompt &&
         (before != kNone || entry.salt == salt) &&
         std::equal(entry.tokens.begin(), entry.tokens.end(), content.tokens.begin(),
                    content.tokens.end());
}

std::vector<int32_t> PrefixCache::Find(const TokenChain& chain, int32_t max_blocks) const {
  std::vector<int32_t> found;
  const int32_t num_full = static_cast<int32_t>(std::ssize(chain.tokens) / block_tokens_);
  uint64_t hash = HashSalt(chain.salt);
  for (int32_t index = 0; index < std::min(num_full, max_blocks); ++index) {
    const BlockContent content = ContentOf(chain, index, block_tokens_);
    hash = HashBlock(hash, content);
    const auto it = block_of_hash_.find(hash);
    const int32_t before = found.empty() ? kNone : found.back();
    if (it == block_of_hash_.end() || !Holds(it->second, before, chain.salt, content)) break;
    found.push_back(it->second);
  }
  return found;
}

bool PrefixCache::Publish(const TokenChain& chain, int32_t index, std::span<const int32_t> table) {
  const int32_t before = index == 0 ? kNone : table[index - 1];
  if (before != kNone && !Contains(before)) return false;
  Entry& entry = entries_.at(table[index]);
  SY_CHECK(!entry.is_published) << "block " << table[index] << " published twice";
  const BlockContent content = ContentOf(chain, index, block_tokens_);
  const uint64_t hash_before = before == kNone ? HashSalt(chain.salt) : entries_[before].hash;
  const uint64_t hash = HashBlock(hash_before, content);
  if (!block_of_hash_.emplace(hash, table[index]).second) return false;
  entry.is_published = true;
  entry.hash = hash;
  entry.before = before;
  entry.num_prompt = content.num_prompt;
  entry.tokens.assign(content.tokens.begin(), content.tokens.end());
  entry.salt = before == kNone ? chain.salt : std::string_view();
  if (before != kNone) ++entries_[before].num_after;
  return true;
}

void PrefixCache::Forget(int32_t block) {
  Entry& entry = entries_.at(block);
  if (!entry.is_published) return;
  SY_CHECK_EQ(entry.num_after, 0) << "block " << block << " goes before those after it";
  if (entry.before != kNone) --entries_[entry.before].num_after;
  block_of_hash_.erase(entry.hash);
  entry.is_published = false;
}

void PrefixCache::CheckIntegrity() const {
  std::vector<int32_t> num_after(entries_.size(), 0);
  int32_t num_published = 0;
  for (size_t block = 0; block < entries_.size(); ++block) {
    const Entry& entry = entries_[block];
    if (!entry.is_published) continue;
    ++num_published;
    const auto it = block_of_hash_.find(entry.hash);
    SY_CHECK(it != block_of_hash_.end() && it->second == static_cast<int32_t>(block))
        << "block " << block << " is not found";
    if (entry.before == kNone) continue;
    SY_CHECK(Contains(entry.before)) << "block " << block << " has lost the one before it";
    ++num_after[entry.before];
  }
  SY_CHECK_EQ(num_published, this->num_published());
  for (size_t block = 0; block < entries_.size(); ++block) {
    if (entries_[block].is_published) SY_CHECK_EQ(num_after[block], entries_[block].num_after);
  }
}

}  // namespace switchyard::core
