// Every range of memory that this process got from CUDA or told CUDA about, by address. What is in
// it also stands in the interpreter's registry (emulator/ptx/memory_registry.h) while kernels may
// touch it.
//
// Owner: Runtime. Thread: under Runtime::mutex. Units: bytes.
#ifndef SWITCHYARD_EMULATOR_CUDART_ALLOCATION_MAP_H_
#define SWITCHYARD_EMULATOR_CUDART_ALLOCATION_MAP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace emu {

struct Device;
struct MemoryPool;

enum class MemoryKind {
  kDevice,      // cudaMalloc
  kPool,        // cudaMallocAsync and graph allocation nodes
  kVariable,    // a __device__ or __constant__ variable
  kManaged,     // cudaMallocManaged
  kPinned,      // cudaHostAlloc
  kRegistered,  // cudaHostRegister
  kImported,    // cudaIpcOpenMemHandle
};

struct Allocation {
  std::byte* base = nullptr;
  size_t bytes = 0;  // as asked for
  MemoryKind kind = MemoryKind::kDevice;
  Device* device = nullptr;  // current when it was made
  unsigned flags = 0;        // of cudaHostAlloc, cudaHostRegister
  std::shared_ptr<MemoryPool> pool;
  bool free_queued = false;  // cudaFreeAsync was called
  bool graph_owned = false;  // the address belongs to a graph's allocation node
  size_t mapped_bytes = 0;   // of kPinned, kManaged, kImported: what munmap wants
  int references = 1;        // of kImported

  bool on_host() const { return kind == MemoryKind::kPinned || kind == MemoryKind::kRegistered; }
  size_t OffsetOf(const void* p) const {
    return static_cast<size_t>(static_cast<const std::byte*>(p) - base);
  }
};

class AllocationMap {
 public:
  Allocation& Add(Allocation allocation);
  // Null: no allocation holds the address.
  Allocation* Find(const void* address);
  // Null: none begins there.
  Allocation* FindBase(const void* base);
  // Null: none overlaps.
  Allocation* FindOverlap(const void* base, size_t bytes);
  void Remove(const void* base);
  const std::map<uintptr_t, Allocation>& all() const { return all_; }

 private:
  std::map<uintptr_t, Allocation> all_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_ALLOCATION_MAP_H_
