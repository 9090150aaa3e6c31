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

absl::StatusOr<CudaModuleEntry> OpenCudaModule(const std::string& path) {
  // Never unloaded: objects from it may live until the end.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::NotFoundError(fmt::format("no CUDA backend: {}", dlerror()));
  }
  const auto stamp = reinterpret_cast<CudaModuleStamp>(dlsym(library, kCudaModuleStamp));
  const std::string_view theirs = stamp == nullptr ? "without a stamp" : stamp();
  if (theirs != kBuildStamp) {
    return absl::NotFoundError(
        fmt::format("no CUDA backend: {} is of another build ({}) than this program ({}): install "
                    "the two together",
                    path, theirs, kBuildStamp));
  }
  const auto entry = reinterpret_cast<CudaModuleEntry>(dlsym(library, kCudaModuleEntry));
  if (entry == nullptr) {
    return absl::NotFoundError(fmt::format("no CUDA backend: {}", dlerror()));
  }
  return entry;
}

absl::StatusOr<std::unique_ptr<Backend>> MakeCudaBackend(int device, int num_devices) {
  const std::filesystem::path path = ModulePath();
  if (path.empty()) {
    return absl::NotFoundError("no CUDA backend: this build has none (nvcc was not found)");
  }
  SY_ASSIGN_OR_RETURN(const CudaModuleEntry entry, OpenCudaModule(path));
  return entry(device, num_devices);
}

}  // namespace switchyard::worker
