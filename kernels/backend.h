// Makes a backend by name.
#ifndef SWITCHYARD_KERNELS_BACKEND_H_
#define SWITCHYARD_KERNELS_BACKEND_H_

#include <memory>
#include <string>

#include "base/status.h"
#include "kernels/ops.h"

namespace switchyard::kernels {

struct CpuBackendOptions {
  int num_threads = 0;  // 0: one per core that this process may run on
  int first_cpu = -1;   // pin thread i to the (first_cpu + i)-th allowed core, modulo their number;
                        // -1: do not pin
  std::string isa = "auto";  // "auto", or one of the names that Device::isa() gives, to hold a
                             // mixed cluster to one arithmetic
};

// INVALID_ARGUMENT for an instruction set that this CPU lacks or an unknown name (the message lists
// those that work).
absl::StatusOr<std::unique_ptr<Ops>> MakeCpuBackend(const CpuBackendOptions& options);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_BACKEND_H_
