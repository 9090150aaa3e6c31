#include "coordinator/core/kv/block_pool.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace switchyard::core {

BlockPool::BlockPool(int32_t num_blocks) {
  SY_CHECK_GT(num_blocks, 0);
  owners_.assign(num_blocks, 0);
  blank_.resize(num_blocks);
  std::iota(blank_.rbegin(), blank_.rend(), 0);
  links_.resize(num_blocks + 1);
  links_.back() = {.before = num_blocks, .after = num_blocks};
}

int32_t BlockPool::Take() {
  SY_CHECK_GT(num_free(), 0);
  int32_t block = links_.back().after;
  if (!blank_.empty()) {
    block = blank_.back();
    blank_.pop_back();
  } else {
    Unlink(block);
  }
  owners_[block] = 1;
  return block;
}

void BlockPool::Share(int32_t block) {
  SY_CHECK(owners_.at(block) > 0 || IsKept(block)) << "block " << block << " is free";
  if (owners_[block] == 0) Unlink(block);
  ++owners_[block];
}

void BlockPool::Drop(int32_t block, bool keep) {
  SY_CHECK_GT(owners_.at(block), 0) << "block " << block << " freed twice";
  if (--owners_[block] > 0) return;
  if (keep) {
    Keep(block);
  } else {
    blank_.push_back(block);
  }
}

void BlockPool::Blank(int32_t block) {
  SY_CHECK(IsKept(block)) << "block " << block;
  Unlink(block);
  blank_.push_back(block);
}

// Last in the ring: the newest.
void BlockPool::Keep(int32_t block) {
  const int32_t end = num_blocks();
  links_[block] = {.before = links_[end].before, .after = end};
  links_[links_[block].before].after = block;
  links_[end].before = block;
  ++num_kept_;
}

void BlockPool::Unlink(int32_t block) {
  links_[links_[block].before].after = links_[block].after;
  links_[links_[block].after].before = links_[block].before;
  links_[block] = {};
  --num_kept_;
}

std::vector<int32_t> BlockPool::Kept() const {
  std::vector<int32_t> kept;
  for (int32_t block = links_.back().after; block != num_blocks(); block = links_[block].after) {
    kept.push_back(block);
  }
  return kept;
}

void BlockPool::CheckIntegrity() const {
  std::vector<bool> listed(owners_.size(), false);
  const std::vector<int32_t> kept = Kept();
  SY_CHECK_EQ(std::ssize(kept), num_kept_);
  for (const std::vector<int32_t>* blocks : {&blank_, &kept}) {
    for (const int32_t block : *blocks) {
      SY_CHECK(!listed.at(block)) << "block " << block << " is on the free lists twice";
      SY_CHECK_EQ(owners_[block], 0) << "block " << block << " is free and owned";
      listed[block] = true;
    }
  }
  const auto owned =
      std::count_if(owners_.begin(), owners_.end(), [](int32_t owners) { return owners > 0; });
  SY_CHECK_EQ(num_free() + owned, num_blocks()) << "blocks are neither free nor owned";
}

}  // namespace switchyard::core
