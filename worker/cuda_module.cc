#include "worker/cuda_module.h"

#include <dlfcn.h>

#include <filesystem>

namespace switchyard::worker {
namespace {

// Beside the programs: bin/../lib/switchyard-cuda.so.
std::filesystem::path ModulePath() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  for (std::filesystem::path folder = program.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const std::filesystem::path path = folder / "lib" / "switchyard-cuda.so";
    if (std::filesystem::exists(path, error)) return path;
  }
  return {};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> MakeCudaBackend(int device, int num_devices) {
  const std::filesystem::path path = ModulePath();
  if (path.empty()) {
    return absl::NotFoundError("no CUDA backend: this build has none (nvcc was not found)");
  }
  // Never unloaded: objects from it may live until the end.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::NotFoundError(fmt::format("no CUDA backend: {}", dlerror()));
  }
  const auto entry = reinterpret_cast<CudaModuleEntry>(dlsym(library, kCudaModuleEntry));
  if (entry == nullptr) {
    return absl::NotFoundError(fmt::format("no CUDA backend: {}", dlerror()));
  }
  return entry(device, num_devices);
}

}  // namespace switchyard::worker
