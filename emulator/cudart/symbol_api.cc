// The C interface: __device__ and __constant__ variables.
#include <cuda_runtime_api.h>

#include "emulator/cudart/copy.h"
#include "emulator/cudart/entry.h"

namespace emu {
namespace {

cudaError_t FindVariable(Runtime& runtime, Device& device, const void* symbol,
                         Module::Variable* variable) {
  const Symbol* found = runtime.program.FindSymbol(symbol);
  if (found == nullptr) return cudaErrorInvalidSymbol;
  const Module* module = nullptr;
  const cudaError_t error = runtime.program.LoadModule(*found->image, device, &module);
  if (error != cudaSuccess) return error;
  const Module::Variable* loaded = module->FindVariable(found->name);
  if (loaded == nullptr) return cudaErrorInvalidSymbol;
  *variable = *loaded;
  if (runtime.allocations.FindBase(loaded->address) == nullptr) {
    runtime.allocations.Add({.base = static_cast<std::byte*>(loaded->address),
                             .bytes = loaded->bytes,
                             .kind = MemoryKind::kVariable,
                             .device = &device});
  }
  return cudaSuccess;
}

// A copy to or from part of a variable. `other`: the memory on the other side.
struct SymbolCopy {
  const void* symbol = nullptr;
  void* dst = nullptr;        // null: the variable is the destination
  const void* src = nullptr;  // null: the variable is the source
  size_t bytes = 0;
  size_t offset = 0;
  cudaMemcpyKind kind = cudaMemcpyDefault;
  bool async = false;
};

cudaError_t Run(const SymbolCopy& copy, cudaStream_t handle) {
  return StreamCall(
      handle,
      [&](Runtime& runtime, const std::shared_ptr<Stream>& stream, Lock& lock) -> cudaError_t {
        Module::Variable variable;
        const cudaError_t error =
            FindVariable(runtime, runtime.CurrentDevice(), copy.symbol, &variable);
        if (error != cudaSuccess) return error;
        if (copy.offset > variable.bytes || copy.bytes > variable.bytes - copy.offset) {
          return cudaErrorInvalidValue;
        }
        void* part = static_cast<std::byte*>(variable.address) + copy.offset;
        const CopyRequest request =
            FlatCopy(copy.dst == nullptr ? part : copy.dst, copy.src == nullptr ? part : copy.src,
                     copy.bytes, copy.kind);
        return copy.async ? CopyAsync(runtime, lock, stream, request)
                          : CopySync(runtime, lock, stream, request);
      });
}

cudaError_t CopyTo(const void* symbol, const void* src, size_t bytes, size_t offset,
                   cudaMemcpyKind kind, cudaStream_t stream, bool async) {
  if (src == nullptr || (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToDevice &&
                         kind != cudaMemcpyDefault)) {
    return Remember(src == nullptr ? cudaErrorInvalidValue : cudaErrorInvalidMemcpyDirection);
  }
  return Run({.symbol = symbol,
              .src = src,
              .bytes = bytes,
              .offset = offset,
              .kind = kind,
              .async = async},
             stream);
}

cudaError_t CopyFrom(void* dst, const void* symbol, size_t bytes, size_t offset,
                     cudaMemcpyKind kind, cudaStream_t stream, bool async) {
  if (dst == nullptr || (kind != cudaMemcpyDeviceToHost && kind != cudaMemcpyDeviceToDevice &&
                         kind != cudaMemcpyDefault)) {
    return Remember(dst == nullptr ? cudaErrorInvalidValue : cudaErrorInvalidMemcpyDirection);
  }
  return Run({.symbol = symbol,
              .dst = dst,
              .bytes = bytes,
              .offset = offset,
              .kind = kind,
              .async = async},
             stream);
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
  if (address == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) {
    emu::Module::Variable variable;
    const cudaError_t error = emu::FindVariable(runtime, device, symbol, &variable);
    if (error == cudaSuccess) *address = variable.address;
    return error;
  });
}

cudaError_t cudaGetSymbolSize(size_t* bytes, const void* symbol) {
  if (bytes == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) {
    emu::Module::Variable variable;
    const cudaError_t error = emu::FindVariable(runtime, device, symbol, &variable);
    if (error == cudaSuccess) *bytes = variable.bytes;
    return error;
  });
}

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* src, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  return emu::CopyTo(symbol, src, bytes, offset, kind, nullptr, false);
}

cudaError_t cudaMemcpyToSymbol_ptds(const void* symbol, const void* src, size_t bytes,
                                    size_t offset, cudaMemcpyKind kind) {
  return emu::CopyTo(symbol, src, bytes, offset, kind, cudaStreamPerThread, false);
}

cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* src, size_t bytes,
                                    size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return emu::CopyTo(symbol, src, bytes, offset, kind, stream, true);
}

cudaError_t cudaMemcpyToSymbolAsync_ptsz(const void* symbol, const void* src, size_t bytes,
                                         size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return emu::CopyTo(symbol, src, bytes, offset, kind, emu::PerThread(stream), true);
}

cudaError_t cudaMemcpyFromSymbol(void* dst, const void* symbol, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  return emu::CopyFrom(dst, symbol, bytes, offset, kind, nullptr, false);
}

cudaError_t cudaMemcpyFromSymbol_ptds(void* dst, const void* symbol, size_t bytes, size_t offset,
                                      cudaMemcpyKind kind) {
  return emu::CopyFrom(dst, symbol, bytes, offset, kind, cudaStreamPerThread, false);
}

cudaError_t cudaMemcpyFromSymbolAsync(void* dst, const void* symbol, size_t bytes, size_t offset,
                                      cudaMemcpyKind kind, cudaStream_t stream) {
  return emu::CopyFrom(dst, symbol, bytes, offset, kind, stream, true);
}

cudaError_t cudaMemcpyFromSymbolAsync_ptsz(void* dst, const void* symbol, size_t bytes,
                                           size_t offset, cudaMemcpyKind kind,
                                           cudaStream_t stream) {
  return emu::CopyFrom(dst, symbol, bytes, offset, kind, emu::PerThread(stream), true);
}

}  // extern "C"
