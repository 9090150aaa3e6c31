// What kernels did, in architectural facts: blocks' shapes, requests and 32-byte sectors of global
// memory, shared memory's wavefronts against the fewest possible, instructions by opcode,
// multiply-accumulates, TMA bytes. No times: an emulated duration says nothing about a GPU.
//
// Owner: whoever launches; one object may gather many launches. Thread: any.
#ifndef SWITCHYARD_EMULATOR_PTX_COUNTERS_H_
#define SWITCHYARD_EMULATOR_PTX_COUNTERS_H_

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace emu {

// Of one kernel, over its launches.
struct KernelCounters {
  // Accesses of one direction to global memory by load, store and atomic instructions. A request is
  // one warp's instruction.
  struct Global {
    uint64_t requests = 0;
    uint64_t sectors = 0;        // of 32 bytes, distinct within a request
    uint64_t ideal_sectors = 0;  // the fewest that hold the bytes of a request
    uint64_t bytes_used = 0;     // distinct within a request; sectors * 32 were moved
  };
  struct Shared {
    uint64_t requests = 0;
    uint64_t wavefronts = 0;        // passes over the 32 banks
    uint64_t ideal_wavefronts = 0;  // without bank conflicts
  };
  // What a launch asks of a multiprocessor beside registers.
  struct Shape {
    uint32_t threads = 0;  // of a block
    uint32_t dynamic_shared_bytes = 0;
    auto operator<=>(const Shape&) const = default;
  };
  struct ShapeLaunches {
    uint64_t launches = 0;
    uint64_t blocks_max = 0;  // of one launch
  };
  struct Opcode {
    uint64_t warps = 0;  // times a warp ran it
    uint64_t lanes = 0;  // lanes it ran for, in sum
  };

  uint64_t launches = 0;
  uint64_t blocks = 0;
  std::map<Shape, ShapeLaunches> shapes;
  uint64_t warp_instructions = 0;
  uint64_t thread_instructions = 0;
  Global loads, stores, atomics;
  Shared shared_loads, shared_stores, shared_atomics;
  uint64_t cluster_shared_requests = 0;  // to another block's shared memory
  uint64_t mma_macs = 0;
  uint64_t wgmma_macs = 0;
  uint64_t bulk_load_bytes = 0;           // TMA and bulk copies into shared memory
  uint64_t bulk_store_bytes = 0;          // and out of it
  std::map<std::string, Opcode> opcodes;  // by mnemonic

  void Add(const KernelCounters& other);
};

class Counters {
 public:
  void Add(const std::string& kernel, const KernelCounters& counters);
  // Zeros for an unknown kernel.
  KernelCounters Of(const std::string& kernel) const;
  // {"kernels": {"name": {"launches": 1, "global": {...}, ...}}}, keys in a fixed order.
  std::string Json() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, KernelCounters> kernels_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_COUNTERS_H_
