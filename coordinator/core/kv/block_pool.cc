#include "coordinator/core/kv/block_pool.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace switchyard::core {

BlockPool::BlockPool(int32_t num_blocks) {
  SY_CHECK_GT(num_blocks, 0);
  owners_.assign(num_blocks, 0);
  free_.resize(num_blocks);
  std::iota(free_.rbegin(), free_.rend(), 0);
}

int32_t BlockPool::Take() {
  SY_CHECK(!free_.empty());
  const int32_t block = free_.back();
  free_.pop_back();
  owners_[block] = 1;
  return block;
}

void BlockPool::Share(int32_t block) {
  SY_CHECK_GT(owners_.at(block), 0) << "block " << block << " is free";
  ++owners_[block];
}

void BlockPool::Drop(int32_t block) {
  SY_CHECK_GT(owners_.at(block), 0) << "block " << block << " freed twice";
  if (--owners_[block] == 0) free_.push_back(block);
}

void BlockPool::CheckIntegrity() const {
  std::vector<bool> listed(owners_.size(), false);
  for (const int32_t block : free_) {
    SY_CHECK(!listed.at(block)) << "block " << block << " is on the free list twice";
    SY_CHECK_EQ(owners_[block], 0) << "block " << block << " is free and owned";
    listed[block] = true;
  }
  const auto owned =
      std::count_if(owners_.begin(), owners_.end(), [](int32_t owners) { return owners > 0; });
  SY_CHECK_EQ(free_.size() + owned, owners_.size()) << "blocks are neither free nor owned";
}

}  // namespace switchyard::core
