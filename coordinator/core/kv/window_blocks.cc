#include "coordinator/core/kv/window_blocks.h"

#include <utility>

#include "base/check.h"

namespace switchyard::core {

WindowBlocks::WindowBlocks(const Size& size, int32_t num_full_blocks, int32_t block_tokens)
    : block_tokens_(block_tokens),
      window_(size.window),
      pool_(size.num_blocks),
      twin_(num_full_blocks, kNone),
      full_of_(size.num_blocks, kNone) {
  SY_CHECK_GT(size.window, 0);
  SY_CHECK_GT(block_tokens, 0);
}

int32_t WindowBlocks::NumUsable(std::span<const int32_t> full_blocks) const {
  int32_t usable = 0;
  int32_t run = 0;  // of twins that are there, up to the block looked at
  for (int32_t count = 1; count <= std::ssize(full_blocks); ++count) {
    run = twin_[full_blocks[count - 1]] != kNone ? run + 1 : 0;
    if (run >= count - FirstSeen(int64_t{count} * block_tokens_)) usable = count;
  }
  return usable;
}

void WindowBlocks::Begin(uint64_t sequence, std::span<const int32_t> full_blocks) {
  const auto [it, fresh] = tables_.try_emplace(sequence);
  SY_CHECK(fresh) << "sequence " << sequence << " has a table of its windows";
  Table& table = it->second;
  table.base = table.first = FirstSeen(std::ssize(full_blocks) * block_tokens_);
  for (const int32_t full_block : full_blocks.subspan(table.base)) {
    const int32_t block = twin_[full_block];
    SY_CHECK_NE(block, kNone) << "full block " << full_block << " has no twin";
    pool_.Share(block);
    table.blocks.push_back(block);
  }
}

WindowBlocks::Table& WindowBlocks::TableOf(uint64_t sequence) {
  const auto it = tables_.find(sequence);
  SY_CHECK(it != tables_.end()) << "sequence " << sequence << " has no table of its windows";
  return it->second;
}

std::span<const int32_t> WindowBlocks::Cover(uint64_t sequence, int64_t num_tokens) {
  Table& table = TableOf(sequence);
  while (table.end() < CeilDiv(num_tokens, block_tokens_)) {
    const int32_t block = pool_.Take();
    if (full_of_[block] != kNone) twin_[full_of_[block]] = kNone;
    full_of_[block] = kNone;
    table.blocks.push_back(block);
  }
  const int32_t told = std::exchange(table.num_told, static_cast<int32_t>(table.blocks.size()));
  return std::span<const int32_t>(table.blocks).subspan(told);
}

void WindowBlocks::Slide(uint64_t sequence, int64_t position) {
  Table& table = TableOf(sequence);
  const int32_t first = std::min(FirstSeen(position), table.end());
  for (; table.first < first; ++table.first) Drop(table.blocks[table.first - table.base]);
}

void WindowBlocks::Pair(uint64_t sequence, int32_t index, int32_t full_block) {
  const Table& table = TableOf(sequence);
  if (index < table.first || index >= table.end()) return;
  const int32_t block = table.blocks[index - table.base];
  if (twin_[full_block] != kNone || full_of_[block] != kNone) return;
  twin_[full_block] = block;
  full_of_[block] = full_block;
}

void WindowBlocks::Part(int32_t full_block) {
  const int32_t block = std::exchange(twin_[full_block], kNone);
  if (block == kNone) return;
  full_of_[block] = kNone;
  if (pool_.owners(block) == 0) pool_.Blank(block);
}

void WindowBlocks::Release(uint64_t sequence) {
  const auto it = tables_.find(sequence);
  if (it == tables_.end()) return;
  const Table& table = it->second;
  // Last block first, as the full ones: the beginning of a chain can be found the longest.
  for (int32_t index = table.end(); index-- > table.first;) {
    Drop(table.blocks[index - table.base]);
  }
  tables_.erase(it);
}

void WindowBlocks::CheckIntegrity() const {
  pool_.CheckIntegrity();
  std::vector<int32_t> owners(num_blocks(), 0);
  for (const auto& [sequence, table] : tables_) {
    for (int32_t index = table.first; index < table.end(); ++index) {
      ++owners.at(table.blocks[index - table.base]);
    }
  }
  int32_t num_kept = 0;
  for (int32_t block = 0; block < num_blocks(); ++block) {
    SY_CHECK_EQ(owners[block], pool_.owners(block))
        << "window block " << block << ": tables and pool disagree";
    if (full_of_[block] == kNone) continue;
    SY_CHECK_EQ(twin_.at(full_of_[block]), block) << "its full block has another twin";
    num_kept += owners[block] == 0 ? 1 : 0;
  }
  SY_CHECK_EQ(num_kept, pool_.num_kept()) << "window blocks are kept that cannot be found";
  for (size_t full_block = 0; full_block < twin_.size(); ++full_block) {
    if (twin_[full_block] == kNone) continue;
    SY_CHECK_EQ(full_of_.at(twin_[full_block]), static_cast<int32_t>(full_block))
        << "its twin has another full block";
  }
}

}  // namespace switchyard::core
