// The memory of one device: one sparse in-memory file, mapped once, from which allocations are cut
// in whole pages with a forbidden page behind each. So another process can map any allocation by
// file, offset and size (IPC), and a pointer into freed memory faults, also on the host.
//
// Fresh memory is poisoned with 0xFF: NaN in every float format, -1 in integers. Of a very large
// allocation only both ends are, lest all of it be committed. Freed addresses are reused as late as
// the arena allows, for stale pointers to be found.
//
// Owner: Device. Thread: one caller at a time (Runtime::mutex). Units: bytes.
#ifndef SWITCHYARD_EMULATOR_CUDART_DEVICE_ARENA_H_
#define SWITCHYARD_EMULATOR_CUDART_DEVICE_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace emu {

class DeviceArena {
 public:
  // `capacity` bytes can be live at once. Null: the system gave no memory.
  static std::unique_ptr<DeviceArena> Create(size_t capacity);
  ~DeviceArena();
  DeviceArena(const DeviceArena&) = delete;
  DeviceArena& operator=(const DeviceArena&) = delete;

  // Accessible, poisoned memory; null: not so much is free, or the system gives no more (each
  // allocation is a mapping of its own, of which a process may have some 65,000).
  // REQUIRES: num_bytes > 0.
  void* Allocate(size_t num_bytes);
  // Takes an address out of the arena without making it accessible, and makes it so later: the two
  // halves of a stream-ordered allocation. Commit is false where the system gives no more.
  void* Reserve(size_t num_bytes);
  bool Commit(void* base);
  // The memory is forbidden but stays taken: the first half of a stream-ordered release.
  void Decommit(void* base);
  // REQUIRES: `base` came from Allocate or Reserve.
  void Free(void* base);

  size_t capacity() const { return capacity_; }
  size_t used() const { return used_; }

  // What another process needs to map an allocation.
  int fd() const { return fd_; }
  uint64_t nonce() const { return nonce_; }  // stands at the file's start
  size_t OffsetOf(const void* base) const;
  // The address is in the arena, allocated or not.
  bool Holds(const void* address) const { return OffsetOf(address) < span_; }

  static constexpr unsigned char kPoison = 0xFF;
  static size_t PageRound(size_t num_bytes);

 private:
  // Takes so many bytes of addresses out of free_, at the cursor if it can be; 0: nowhere.
  size_t TakeRange(size_t wanted);
  DeviceArena(int fd, unsigned char* base, size_t span, size_t capacity);

  int fd_;
  unsigned char* base_;
  size_t span_;  // of addresses; several times the capacity
  size_t capacity_;
  size_t used_ = 0;
  uint64_t nonce_ = 0;
  std::map<size_t, size_t> taken_;  // offset -> bytes, whole pages, without the page behind
  std::map<size_t, size_t> free_;   // offset -> bytes, neighbours merged
  size_t cursor_ = 0;               // the search begins here
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_DEVICE_ARENA_H_
