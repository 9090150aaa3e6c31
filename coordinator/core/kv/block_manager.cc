#include "coordinator/core/kv/block_manager.h"

#include "base/check.h"

namespace switchyard::core {

BlockManager::BlockManager(int32_t num_blocks, int32_t block_tokens)
    : block_tokens_(block_tokens), pool_(num_blocks) {
  SY_CHECK_GT(block_tokens, 0);
}

bool BlockManager::CanAllocate(SequenceId sequence, int64_t num_tokens, int32_t num_spare) const {
  const int64_t missing =
      CeilDiv(num_tokens, block_tokens_) - static_cast<int64_t>(Table(sequence).size());
  return missing <= 0 || missing + num_spare <= num_free();
}

std::span<const int32_t> BlockManager::Allocate(SequenceId sequence, int64_t num_tokens) {
  SY_CHECK(CanAllocate(sequence, num_tokens))
      << "sequence " << sequence << ", " << num_tokens << " tokens";
  std::vector<int32_t>& table = tables_[sequence];
  const size_t old_size = table.size();
  const size_t new_size = BlocksFor(num_tokens);
  while (table.size() < new_size) table.push_back(pool_.Take());
  return std::span(table).subspan(old_size);
}

void BlockManager::Release(SequenceId sequence) {
  const auto it = tables_.find(sequence);
  if (it == tables_.end()) return;
  // Last block first, so that the next sequence gets them in the same order.
  for (auto block = it->second.rbegin(); block != it->second.rend(); ++block) pool_.Drop(*block);
  tables_.erase(it);
}

std::span<const int32_t> BlockManager::Table(SequenceId sequence) const {
  const auto it = tables_.find(sequence);
  if (it == tables_.end()) return {};
  return it->second;
}

void BlockManager::CheckIntegrity() const {
  pool_.CheckIntegrity();
  std::vector<int32_t> owners(num_blocks(), 0);
  for (const auto& [sequence, table] : tables_) {
    for (const int32_t block : table) ++owners.at(block);
  }
  for (int32_t block = 0; block < num_blocks(); ++block) {
    SY_CHECK_EQ(owners[block], pool_.owners(block))
        << "block " << block << ": tables and pool disagree";
  }
}

}  // namespace switchyard::core
