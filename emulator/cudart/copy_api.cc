// The C interface: copies and fills. Each synchronous call has a _ptds twin and each asynchronous
// one a _ptsz twin, which mean the calling thread's own stream where the first means the legacy
// one.
#include <cuda_runtime_api.h>

#include "emulator/cudart/copy.h"
#include "emulator/cudart/entry.h"

namespace emu {
namespace {

cudaError_t Copy(const CopyRequest& request, cudaStream_t stream) {
  return StreamCall(stream, [&](Runtime& runtime, const auto& found, Lock& lock) {
    return CopySync(runtime, lock, found, request);
  });
}

cudaError_t QueueCopy(const CopyRequest& request, cudaStream_t stream) {
  return StreamCall(stream, [&](Runtime& runtime, const auto& found, Lock& lock) {
    return CopyAsync(runtime, lock, found, request);
  });
}

cudaError_t Fill(const FillWork& request, cudaStream_t stream) {
  return StreamCall(stream, [&](Runtime& runtime, const auto& found, Lock& lock) -> cudaError_t {
    if (const cudaError_t error = runtime.CheckImplicit(*found)) return error;
    if (const cudaError_t error = runtime.CheckUnsafe()) return error;
    return FillAsync(runtime, lock, found, request);
  });
}

cudaError_t QueueFill(const FillWork& request, cudaStream_t stream) {
  return StreamCall(stream, [&](Runtime& runtime, const auto& found, Lock& lock) {
    return FillAsync(runtime, lock, found, request);
  });
}

CopyRequest FlatRows(void* dst, size_t dst_pitch, const void* src, size_t src_pitch, size_t width,
                     size_t height, cudaMemcpyKind kind) {
  return {.dst = dst,
          .src = src,
          .width = width,
          .height = height,
          .dst_pitch = dst_pitch,
          .src_pitch = src_pitch,
          .kind = kind};
}

// Bytes: an int's low eight bits.
FillWork Bytes(void* dst, size_t pitch, int value, size_t width, size_t height) {
  return {.dst = dst,
          .pitch = pitch,
          .value = static_cast<unsigned char>(value),
          .width = width,
          .height = height};
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaMemcpy(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind) {
  return emu::Copy(emu::FlatCopy(dst, src, bytes, kind), nullptr);
}

cudaError_t cudaMemcpy_ptds(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind) {
  return emu::Copy(emu::FlatCopy(dst, src, bytes, kind), cudaStreamPerThread);
}

cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return emu::QueueCopy(emu::FlatCopy(dst, src, bytes, kind), stream);
}

cudaError_t cudaMemcpyAsync_ptsz(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind,
                                 cudaStream_t stream) {
  return cudaMemcpyAsync(dst, src, bytes, kind, emu::PerThread(stream));
}

cudaError_t cudaMemcpyPeer(void* dst, int /*dst_device*/, const void* src, int /*src_device*/,
                           size_t bytes) {
  return emu::Copy(emu::FlatCopy(dst, src, bytes, cudaMemcpyDeviceToDevice), nullptr);
}

cudaError_t cudaMemcpyPeerAsync(void* dst, int /*dst_device*/, const void* src, int /*src_device*/,
                                size_t bytes, cudaStream_t stream) {
  return emu::QueueCopy(emu::FlatCopy(dst, src, bytes, cudaMemcpyDeviceToDevice), stream);
}

cudaError_t cudaMemcpy2D(void* dst, size_t dst_pitch, const void* src, size_t src_pitch,
                         size_t width, size_t height, cudaMemcpyKind kind) {
  return emu::Copy(emu::FlatRows(dst, dst_pitch, src, src_pitch, width, height, kind), nullptr);
}

cudaError_t cudaMemcpy2D_ptds(void* dst, size_t dst_pitch, const void* src, size_t src_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind) {
  return emu::Copy(emu::FlatRows(dst, dst_pitch, src, src_pitch, width, height, kind),
                   cudaStreamPerThread);
}

cudaError_t cudaMemcpy2DAsync(void* dst, size_t dst_pitch, const void* src, size_t src_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return emu::QueueCopy(emu::FlatRows(dst, dst_pitch, src, src_pitch, width, height, kind), stream);
}

cudaError_t cudaMemcpy2DAsync_ptsz(void* dst, size_t dst_pitch, const void* src, size_t src_pitch,
                                   size_t width, size_t height, cudaMemcpyKind kind,
                                   cudaStream_t stream) {
  return cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, height, kind,
                           emu::PerThread(stream));
}

cudaError_t cudaMemset(void* dst, int value, size_t bytes) {
  return emu::Fill(emu::Bytes(dst, 0, value, bytes, 1), nullptr);
}

cudaError_t cudaMemset_ptds(void* dst, int value, size_t bytes) {
  return emu::Fill(emu::Bytes(dst, 0, value, bytes, 1), cudaStreamPerThread);
}

cudaError_t cudaMemsetAsync(void* dst, int value, size_t bytes, cudaStream_t stream) {
  return emu::QueueFill(emu::Bytes(dst, 0, value, bytes, 1), stream);
}

cudaError_t cudaMemsetAsync_ptsz(void* dst, int value, size_t bytes, cudaStream_t stream) {
  return cudaMemsetAsync(dst, value, bytes, emu::PerThread(stream));
}

cudaError_t cudaMemset2D(void* dst, size_t pitch, int value, size_t width, size_t height) {
  return emu::Fill(emu::Bytes(dst, pitch, value, width, height), nullptr);
}

cudaError_t cudaMemset2D_ptds(void* dst, size_t pitch, int value, size_t width, size_t height) {
  return emu::Fill(emu::Bytes(dst, pitch, value, width, height), cudaStreamPerThread);
}

cudaError_t cudaMemset2DAsync(void* dst, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  return emu::QueueFill(emu::Bytes(dst, pitch, value, width, height), stream);
}

cudaError_t cudaMemset2DAsync_ptsz(void* dst, size_t pitch, int value, size_t width, size_t height,
                                   cudaStream_t stream) {
  return cudaMemset2DAsync(dst, pitch, value, width, height, emu::PerThread(stream));
}

}  // extern "C"
