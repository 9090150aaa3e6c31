#include "coordinator/core/kv/block_manager.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::core {

BlockManager::BlockManager(int32_t num_blocks, int32_t block_tokens,
                           const WindowBlocks::Size& windows)
    : block_tokens_(block_tokens), pool_(num_blocks), prefixes_(num_blocks, block_tokens) {
  SY_CHECK_GT(block_tokens, 0);
  if (windows.num_blocks > 0) windows_.emplace(windows, num_blocks, block_tokens);
}

std::vector<int32_t> BlockManager::FindPrefix(const TokenChain& chain, int64_t max_tokens) const {
  std::vector<int32_t> found =
      prefixes_.Find(chain, static_cast<int32_t>(max_tokens / block_tokens_));
  if (windows_) found.resize(windows_->NumUsable(found));
  return found;
}

bool BlockManager::CanAllocate(SequenceId sequence, int64_t num_tokens, int32_t num_spare) const {
  const int64_t missing =
      CeilDiv(num_tokens, block_tokens_) - static_cast<int64_t>(Table(sequence).size());
  return missing <= 0 || missing + num_spare <= num_free();
}

std::span<const int32_t> BlockManager::Allocate(SequenceId sequence, int64_t num_tokens) {
  SY_CHECK(CanAllocate(sequence, num_tokens))
      << "sequence " << sequence << ", " << num_tokens << " tokens";
  BlockTable& table = tables_[sequence];
  const size_t old_size = table.blocks.size();
  Grow(table, num_tokens);
  return std::span(table.blocks).subspan(old_size);
}

void BlockManager::Grow(BlockTable& table, int64_t num_tokens) {
  const size_t new_size = BlocksFor(num_tokens);
  while (table.blocks.size() < new_size) {
    const int32_t block = pool_.Take();
    prefixes_.Forget(block);
    if (windows_) windows_->Part(block);
    table.blocks.push_back(block);
  }
}

int32_t BlockManager::NumFreeNeeded(int64_t num_tokens, std::span<const int32_t> prefix) const {
  const auto num_revived = std::count_if(prefix.begin(), prefix.end(),
                                         [&](int32_t block) { return pool_.owners(block) == 0; });
  return BlocksFor(num_tokens) - static_cast<int32_t>(std::ssize(prefix) - num_revived);
}

std::span<const int32_t> BlockManager::Begin(SequenceId sequence, int64_t num_tokens,
                                             std::span<const int32_t> prefix) {
  SY_CHECK_LE(NumFreeNeeded(num_tokens, prefix), num_free()) << "sequence " << sequence;
  const auto [it, fresh] = tables_.try_emplace(sequence);
  SY_CHECK(fresh) << "sequence " << sequence << " has a table";
  BlockTable& table = it->second;
  table.blocks.reserve(BlocksFor(num_tokens));
  for (const int32_t block : prefix) {
    pool_.Share(block);
    table.blocks.push_back(block);
  }
  table.num_published = static_cast<int32_t>(prefix.size());
  if (windows_) windows_->Begin(sequence, prefix);
  Grow(table, num_tokens);
  return table.blocks;
}

void BlockManager::Publish(SequenceId sequence, const TokenChain& chain) {
  const auto it = tables_.find(sequence);
  SY_CHECK(it != tables_.end()) << "sequence " << sequence << " has no table";
  BlockTable& table = it->second;
  const int32_t num_full = static_cast<int32_t>(std::ssize(chain.tokens) / block_tokens_);
  SY_CHECK_LE(num_full, std::ssize(table.blocks)) << "sequence " << sequence;
  while (table.num_published < num_full &&
         prefixes_.Publish(chain, table.num_published, table.blocks)) {
    if (windows_) windows_->Pair(sequence, table.num_published, table.blocks[table.num_published]);
    ++table.num_published;
  }
  if (windows_ && table.num_published < num_full) PairWithOthers(sequence, chain, num_full);
}

// Else a beginning whose windows are gone could not be used again until all its full blocks are
// gone, too: who computes it anew finds these taken.
void BlockManager::PairWithOthers(SequenceId sequence, const TokenChain& chain, int32_t num_full) {
  const std::vector<int32_t> others = prefixes_.Find(chain, num_full);
  for (size_t index = 0; index < others.size(); ++index) {
    windows_->Pair(sequence, static_cast<int32_t>(index), others[index]);
  }
}

void BlockManager::Release(SequenceId sequence) {
  const auto it = tables_.find(sequence);
  if (it == tables_.end()) return;
  // Last block first: the next sequence gets them in the same order, and chains are forgotten from
  // their ends.
  const std::vector<int32_t>& blocks = it->second.blocks;
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    pool_.Drop(*block, /*keep=*/prefixes_.Contains(*block));
  }
  tables_.erase(it);
  if (windows_) windows_->Release(sequence);
}

std::span<const int32_t> BlockManager::Table(SequenceId sequence) const {
  const auto it = tables_.find(sequence);
  if (it == tables_.end()) return {};
  return it->second.blocks;
}

void BlockManager::CheckIntegrity() const {
  if (windows_) {
    windows_->CheckIntegrity();
    SY_CHECK_EQ(windows_->num_tables(), num_tables());
  }
  pool_.CheckIntegrity();
  prefixes_.CheckIntegrity();
  std::vector<int32_t> owners(num_blocks(), 0);
  for (const auto& [sequence, table] : tables_) {
    for (const int32_t block : table.blocks) ++owners.at(block);
  }
  int32_t num_free_published = 0;
  for (int32_t block = 0; block < num_blocks(); ++block) {
    SY_CHECK_EQ(owners[block], pool_.owners(block))
        << "block " << block << ": tables and pool disagree";
    if (!prefixes_.Contains(block)) continue;
    if (owners[block] == 0) ++num_free_published;
    const int32_t before = prefixes_.Before(block);
    if (before == PrefixCache::kNone) continue;
    SY_CHECK_LE(owners[block], owners[before])
        << "block " << block << " is owned without the one before it";
  }
  SY_CHECK_EQ(num_free_published, pool_.num_kept()) << "kept blocks that cannot be found";
  std::vector<bool> kept_longer(num_blocks(), false);
  for (const int32_t block : pool_.Kept()) {
    SY_CHECK(prefixes_.Contains(block)) << "block " << block << " is kept for nothing";
    const int32_t before = prefixes_.Before(block);
    SY_CHECK(before == PrefixCache::kNone || !kept_longer[before])
        << "block " << before << " would go before block " << block << ", which comes after it";
    kept_longer[block] = true;
  }
}

}  // namespace switchyard::core
