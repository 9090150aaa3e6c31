// For switchyard-kernels: what runs on the emulator counted (settings.h: counters_file), beside
// what ptxas gave each kernel.
//
// Thread: one.
#ifndef SWITCHYARD_EMULATOR_CUDART_KERNEL_COUNTERS_H_
#define SWITCHYARD_EMULATOR_CUDART_KERNEL_COUNTERS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "emulator/cudart/cubin.h"

namespace emu {

// Of one kernel, over all files.
struct CountedKernel {
  struct Ratio {
    uint64_t needed = 0;  // sectors or wavefronts that must be
    uint64_t moved = 0;   // and that were
  };
  std::set<std::pair<int, int64_t>> shapes;  // threads and dynamic shared bytes of a block
  Ratio loads, stores;                       // sectors of global memory
  Ratio shared_loads, shared_stores;         // wavefronts of shared memory
};

// By mangled name. False, with a sentence, when the file is not what the emulator writes.
bool AddCounters(const std::string& path, std::map<std::string, CountedKernel>* kernels,
                 std::string* error);

// Blocks that an SM of an H100 holds at once, by the toolkit's calculator (cuda_occupancy.h), and
// what keeps it from more. 0 blocks where one does not fit.
struct Occupancy {
  int blocks = 0;
  std::string limit;
};
Occupancy OccupancyOf(const CubinKernel& kernel, int threads, int64_t dynamic_shared_bytes);

// Markdown rows of one kernel: for each shape of its blocks, and for its accesses to memory.
void PrintShapes(const std::string& name, const CubinKernel& kernel, const CountedKernel& counted);
void PrintAccesses(const std::string& name, const CountedKernel& counted);
void PrintShapesHeader();
void PrintAccessesHeader();

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_KERNEL_COUNTERS_H_
