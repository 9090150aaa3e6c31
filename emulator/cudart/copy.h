// Copies and fills: from the arguments of a call to work that a real device would accept, and how
// long the host then waits for it. The rules for the host are those of CUDA's "API synchronization
// behavior", taken at their word:
//   asynchronous, from pageable memory   the bytes are taken when the call is made
//   asynchronous, to pageable memory     returns when the copy is done
//   asynchronous, pinned                 reads or writes whenever the stream gets there
//   synchronous, from pageable memory    waits for the stream, takes the bytes, and returns: other
//                                        streams must not assume that the copy has arrived
//   synchronous, device to device, fill  does not wait at all
//   synchronous, otherwise               returns when the copy is done
//
// Thread: under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_COPY_H_
#define SWITCHYARD_EMULATOR_CUDART_COPY_H_

#include <driver_types.h>

#include <memory>

#include "emulator/cudart/runtime.h"

namespace emu {

// One-dimensional copies have a height of 1 and pitches of no meaning.
struct CopyRequest {
  void* dst = nullptr;
  const void* src = nullptr;
  size_t width = 0;  // bytes
  size_t height = 1;
  size_t dst_pitch = 0, src_pitch = 0;
  cudaMemcpyKind kind = cudaMemcpyDefault;
};

CopyRequest FlatCopy(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind);

// Checks pointers, sizes and direction against the live allocations.
cudaError_t MakeCopyWork(Runtime& runtime, const CopyRequest& request, CopyWork* work);
cudaError_t MakeFillWork(Runtime& runtime, const FillWork& request, FillWork* work);

// The whole call, with the waiting above.
cudaError_t CopyAsync(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                      const CopyRequest& request);
cudaError_t CopySync(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                     const CopyRequest& request);
cudaError_t FillAsync(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                      const FillWork& request);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_COPY_H_
