// The CUDA backend is a library of its own, loaded when it is wanted: the programs start on
// machines that have no CUDA libraries.
#ifndef SWITCHYARD_WORKER_CUDA_MODULE_H_
#define SWITCHYARD_WORKER_CUDA_MODULE_H_

#include <memory>
#include <string>

#include "worker/backend.h"

namespace switchyard::worker {

// The GPU `device` of those that are visible. NOT_FOUND, in one line, where there is none, where
// there are not as many as `num_devices`, where a library is missing or of another build, or where
// this build left the backend out.
absl::StatusOr<std::unique_ptr<Backend>> MakeCudaBackend(int device, int num_devices);

// What the library exports, under these names.
using CudaModuleEntry = absl::StatusOr<std::unique_ptr<Backend>> (*)(int device, int num_devices);
inline constexpr char kCudaModuleEntry[] = "SwitchyardMakeCudaBackend";
using CudaModuleStamp = const char* (*)();
inline constexpr char kCudaModuleStamp[] = "SwitchyardCudaStamp";

// Names the sources of this build that program and library share, and those of the library.
extern const char kBuildStamp[];

// The library's entry, once its stamp is this program's: objects pass between the two, and a plan
// is for the library's arithmetic. NOT_FOUND as above.
absl::StatusOr<CudaModuleEntry> OpenCudaModule(const std::string& path);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_CUDA_MODULE_H_
