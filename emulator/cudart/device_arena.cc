#include "emulator/cudart/device_arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace emu {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kSpanFactor = 4;
constexpr size_t kPoisonedEnd = size_t{64} << 20;

}  // namespace

size_t DeviceArena::PageRound(size_t num_bytes) { return (num_bytes + kPage - 1) / kPage * kPage; }

std::unique_ptr<DeviceArena> DeviceArena::Create(size_t capacity) {
  const size_t span = PageRound(capacity) * kSpanFactor;
  const int fd = memfd_create("switchyard-device", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  void* base = MAP_FAILED;
  if (ftruncate(fd, static_cast<off_t>(span)) == 0) {
    base = mmap(nullptr, span, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  }
  if (base == MAP_FAILED) {
    close(fd);
    return nullptr;
  }
  madvise(base, span, MADV_DONTDUMP);
  std::unique_ptr<DeviceArena> arena(
      new DeviceArena(fd, static_cast<unsigned char*>(base), span, capacity));
  const bool marked = pwrite(fd, &arena->nonce_, sizeof arena->nonce_, 0) ==
                      static_cast<ssize_t>(sizeof arena->nonce_);
  return marked ? std::move(arena) : nullptr;
}

DeviceArena::DeviceArena(int fd, unsigned char* base, size_t span, size_t capacity)
    : fd_(fd), base_(base), span_(span), capacity_(capacity) {
  if (getrandom(&nonce_, sizeof nonce_, 0) != sizeof nonce_)
    nonce_ = reinterpret_cast<uint64_t>(base);
  free_[kPage] = span - kPage;  // the first page holds the nonce
  cursor_ = kPage;
}

DeviceArena::~DeviceArena() {
  munmap(base_, span_);
  close(fd_);
}

size_t DeviceArena::OffsetOf(const void* base) const {
  return static_cast<size_t>(static_cast<const unsigned char*>(base) - base_);
}

size_t DeviceArena::TakeRange(size_t wanted) {
  const auto fits = [&](const auto& range) { return range.second >= wanted; };
  auto found = free_.upper_bound(cursor_);
  if (found != free_.begin()) {  // the range around the cursor, behind the cursor
    const auto around = std::prev(found);
    const size_t skipped = cursor_ - around->first;
    if (around->second >= skipped + wanted) {
      const size_t behind = around->second - skipped - wanted;
      if (behind > 0) free_[cursor_ + wanted] = behind;
      around->second = skipped;
      if (skipped == 0) free_.erase(around);
      return cursor_;
    }
  }
  found = std::find_if(found, free_.end(), fits);
  if (found == free_.end()) found = std::find_if(free_.begin(), free_.end(), fits);
  if (found == free_.end()) return 0;
  const auto [offset, room] = *found;
  free_.erase(found);
  if (room > wanted) free_[offset + wanted] = room - wanted;
  return offset;
}

void* DeviceArena::Reserve(size_t num_bytes) {
  if (num_bytes > capacity_) return nullptr;
  const size_t bytes = PageRound(num_bytes);
  if (bytes > capacity_ - used_) return nullptr;
  const size_t wanted = bytes + kPage;
  const size_t offset = TakeRange(wanted);
  if (offset == 0) return nullptr;
  taken_[offset] = bytes;
  used_ += bytes;
  cursor_ = offset + wanted;
  return base_ + offset;
}

bool DeviceArena::Commit(void* base) {
  const size_t bytes = taken_.at(OffsetOf(base));
  if (mprotect(base, bytes, PROT_READ | PROT_WRITE) != 0) return false;
  const size_t end = std::min(bytes, kPoisonedEnd);
  std::memset(base, kPoison, end);
  const size_t tail = std::min(bytes - end, kPoisonedEnd);
  std::memset(static_cast<unsigned char*>(base) + bytes - tail, kPoison, tail);
  return true;
}

void* DeviceArena::Allocate(size_t num_bytes) {
  void* base = Reserve(num_bytes);
  if (base == nullptr || Commit(base)) return base;
  Free(base);
  return nullptr;
}

void DeviceArena::Decommit(void* base) {
  const size_t offset = OffsetOf(base);
  const size_t bytes = taken_.at(offset);
  mprotect(base, bytes, PROT_NONE);
  fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
            static_cast<off_t>(bytes));
}

void DeviceArena::Free(void* base) {
  Decommit(base);
  const auto taken = taken_.find(OffsetOf(base));
  size_t offset = taken->first;
  size_t room = taken->second + kPage;
  used_ -= taken->second;
  taken_.erase(taken);
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && next->first == offset + room) {
    room += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      offset = before->first;
      room += before->second;
      free_.erase(before);
    }
  }
  free_[offset] = room;
}

}  // namespace emu
