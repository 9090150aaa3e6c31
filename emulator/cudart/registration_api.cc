// The C interface that nvcc's generated code calls: registration of embedded device code when the
// program starts, and the two halves of a <<<>>> launch. No header of the toolkit declares all of
// these outside generated code, so they are declared as crt/host_runtime.h has them.
#include <cuda_runtime_api.h>

#include <vector>

#include "emulator/cudart/entry.h"
#include "emulator/cudart/launch.h"

namespace emu {
namespace {

// What surrounds the container (toolkit: fatbinary_section.h).
struct Wrapper {
  int magic;
  int version;  // 1: one container; 2: the link-time one of relocatable device code
  const void* container;
  void* more;
};
constexpr int kWrapperMagic = 0x466243B1;

// What <<<>>> says, between the push at the call and the pop in the kernel's stub.
struct CallConfiguration {
  dim3 grid;
  dim3 block;
  size_t dynamic_shared_bytes = 0;
  void* stream = nullptr;
};
thread_local std::vector<CallConfiguration> call_configurations;

Image* AsImage(void** handle) { return reinterpret_cast<Image*>(handle); }

// Registration runs before main: a wrong setting is reported by the first real call instead.
template <typename Body>
void Register(Body body) {
  Runtime* runtime = Runtime::Get();
  if (runtime == nullptr) return;
  const Lock lock(runtime->mutex);
  body(*runtime);
}

// Managed variables are pointers on the host; they get their values before main uses them. The
// memory is that of the device which is current then: kernels on another device have a variable of
// their own, which the host does not see.
char InitialiseManaged(Image* image) {
  Runtime* runtime = Runtime::Get();
  if (runtime == nullptr || runtime->devices.empty()) return 0;
  const Lock lock(runtime->mutex);
  Device& device = runtime->CurrentDevice();
  for (const Symbol* symbol : runtime->program.SymbolsOf(image)) {
    if (symbol->managed_pointer == nullptr || *symbol->managed_pointer != nullptr) continue;
    const Module* module = nullptr;
    if (runtime->program.LoadModule(*image, device, &module) != cudaSuccess) return 0;
    const Module::Variable* variable = module->FindVariable(symbol->name);
    if (variable == nullptr) return 0;
    *symbol->managed_pointer = variable->address;
    runtime->allocations.Add({.base = static_cast<std::byte*>(variable->address),
                              .bytes = variable->bytes,
                              .kind = MemoryKind::kManaged,
                              .device = &device});
  }
  return 1;
}

}  // namespace
}  // namespace emu

using emu::AsImage;

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  const auto* parts = static_cast<const emu::Wrapper*>(wrapper);
  const bool known = parts->magic == emu::kWrapperMagic && parts->version == 1;
  emu::Image* image = nullptr;
  emu::Register([&](emu::Runtime& runtime) {
    image = runtime.program.AddImage(known ? parts->container : nullptr);
  });
  return reinterpret_cast<void**>(image);
}

void __cudaRegisterFatBinaryEnd(void** /*handle*/) {}

void __cudaUnregisterFatBinary(void** handle) {
  emu::Register([&](emu::Runtime& runtime) { runtime.program.Forget(AsImage(handle)); });
}

void __cudaRegisterFunction(void** handle, const char* host, char* /*device_function*/,
                            const char* name, int /*thread_limit*/, uint3* /*tid*/, uint3* /*bid*/,
                            dim3* /*block*/, dim3* /*grid*/, int* /*warp_size*/) {
  emu::Register(
      [&](emu::Runtime& runtime) { runtime.program.AddFunction(AsImage(handle), host, name); });
}

void __cudaRegisterVar(void** handle, char* host, char* /*device_address*/, const char* name,
                       int /*external*/, size_t bytes, int /*constant*/, int /*global*/) {
  emu::Register([&](emu::Runtime& runtime) {
    runtime.program.AddSymbol(AsImage(handle), host, {.name = name, .bytes = bytes});
  });
}

void __cudaRegisterManagedVar(void** handle, void** host_pointer, char* /*device_address*/,
                              const char* name, int /*external*/, size_t bytes, int /*constant*/,
                              int /*global*/) {
  emu::Register([&](emu::Runtime& runtime) {
    runtime.program.AddSymbol(AsImage(handle), host_pointer,
                              {.name = name, .bytes = bytes, .managed_pointer = host_pointer});
  });
}

char __cudaInitModule(void** handle) { return emu::InitialiseManaged(AsImage(handle)); }

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t dynamic_shared_bytes,
                                     CUstream_st* stream) {
  emu::call_configurations.push_back({grid, block, dynamic_shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* dynamic_shared_bytes,
                                       void* stream) {
  if (emu::call_configurations.empty()) return emu::Remember(cudaErrorMissingConfiguration);
  const emu::CallConfiguration configuration = emu::call_configurations.back();
  emu::call_configurations.pop_back();
  *grid = configuration.grid;
  *block = configuration.block;
  *dynamic_shared_bytes = configuration.dynamic_shared_bytes;
  *static_cast<void**>(stream) = configuration.stream;
  return cudaSuccess;
}

// The handle is found once per call site, perhaps before any device is set: nothing is loaded.
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    emu::Function* function = runtime.program.FindFunction(host);
    if (function == nullptr) return cudaErrorInvalidDeviceFunction;
    *kernel = reinterpret_cast<cudaKernel_t>(function);
    return cudaSuccess;
  });
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** args,
                               size_t dynamic_shared_bytes, cudaStream_t stream) {
  return cudaLaunchKernel(kernel, grid, block, args, dynamic_shared_bytes, stream);
}

cudaError_t __cudaLaunchKernel_ptsz(cudaKernel_t kernel, dim3 grid, dim3 block, void** args,
                                    size_t dynamic_shared_bytes, cudaStream_t stream) {
  return cudaLaunchKernel(kernel, grid, block, args, dynamic_shared_bytes, emu::PerThread(stream));
}

}  // extern "C"
