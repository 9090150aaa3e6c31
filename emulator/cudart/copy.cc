#include "emulator/cudart/copy.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace emu {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 46;

// One side of a copy.
struct Side {
  const Allocation* allocation = nullptr;  // null: pageable host memory
  size_t span = 0;                         // bytes from the first to behind the last

  bool may_be_device() const { return allocation != nullptr; }
  bool may_be_host() const {
    return allocation == nullptr || allocation->on_host() ||
           allocation->kind == MemoryKind::kManaged;
  }
  bool pageable() const { return allocation == nullptr; }
};

// The address was, or could be, device memory: nothing of the host lies there.
bool InSomeArena(const Runtime& runtime, const void* address) {
  return std::any_of(runtime.devices.begin(), runtime.devices.end(), [&](const auto& device) {
    return device->arena != nullptr && device->arena->Holds(address);
  });
}

cudaError_t FindSide(Runtime& runtime, const void* address, size_t span, Side* side) {
  if (address == nullptr || span > kMaxBytes) return cudaErrorInvalidValue;
  side->allocation = runtime.allocations.Find(address);
  side->span = span;
  if (side->allocation == nullptr) {
    return InSomeArena(runtime, address) ? cudaErrorInvalidValue : cudaSuccess;
  }
  const size_t offset = side->allocation->OffsetOf(address);
  return span <= side->allocation->bytes - offset ? cudaSuccess : cudaErrorInvalidValue;
}

bool FitsKind(const Side& dst, const Side& src, cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return dst.may_be_host() && src.may_be_host();
    case cudaMemcpyHostToDevice:
      return dst.may_be_device() && src.may_be_host();
    case cudaMemcpyDeviceToHost:
      return dst.may_be_host() && src.may_be_device();
    case cudaMemcpyDeviceToDevice:
      return dst.may_be_device() && src.may_be_device();
    default:
      return true;
  }
}

// More than kMaxBytes where the bytes cannot be counted.
size_t Span(size_t width, size_t pitch, size_t height) {
  size_t span = 0;
  const bool too_many = __builtin_mul_overflow(height - 1, pitch, &span) ||
                        __builtin_add_overflow(span, width, &span);
  return too_many ? kMaxBytes + 1 : span;
}

struct Sides {
  Side dst, src;
};

cudaError_t FindSides(Runtime& runtime, const CopyRequest& request, Sides* sides) {
  if (request.kind < cudaMemcpyHostToHost || request.kind > cudaMemcpyDefault) {
    return cudaErrorInvalidMemcpyDirection;
  }
  if (request.height > 1 &&
      (request.width > request.dst_pitch || request.width > request.src_pitch)) {
    return cudaErrorInvalidPitchValue;
  }
  cudaError_t error = FindSide(runtime, request.dst,
                               Span(request.width, request.dst_pitch, request.height), &sides->dst);
  if (error != cudaSuccess) return error;
  error = FindSide(runtime, request.src, Span(request.width, request.src_pitch, request.height),
                   &sides->src);
  if (error != cudaSuccess) return error;
  return FitsKind(sides->dst, sides->src, request.kind) ? cudaSuccess : cudaErrorInvalidValue;
}

bool IsEmpty(const CopyRequest& request) { return request.width == 0 || request.height == 0; }

CopyWork MakeWork(const CopyRequest& request, const Sides& sides) {
  return {.dst = request.dst,
          .src = request.src,
          .width = request.width,
          .height = request.height,
          .dst_pitch = request.dst_pitch,
          .src_pitch = request.src_pitch,
          .dst_is_device = !sides.dst.may_be_host(),
          .src_is_device = !sides.src.may_be_host()};
}

void Stage(const Sides& sides, CopyWork* work) {
  const auto* from = static_cast<const std::byte*>(work->src);
  work->staged = std::make_shared<const std::vector<std::byte>>(from, from + sides.src.span);
}

}  // namespace

CopyRequest FlatCopy(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind) {
  return {.dst = dst, .src = src, .width = bytes, .kind = kind};
}

cudaError_t MakeCopyWork(Runtime& runtime, const CopyRequest& request, CopyWork* work) {
  if (IsEmpty(request)) {
    *work = {};
    return cudaSuccess;
  }
  Sides sides;
  const cudaError_t error = FindSides(runtime, request, &sides);
  if (error == cudaSuccess) *work = MakeWork(request, sides);
  return error;
}

cudaError_t CopyAsync(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                      const CopyRequest& request) {
  if (IsEmpty(request)) return cudaSuccess;
  Sides sides;
  if (const cudaError_t error = FindSides(runtime, request, &sides)) return error;
  CopyWork work = MakeWork(request, sides);
  if (stream->capture != nullptr) return runtime.Submit(lock, stream, std::move(work));
  const bool wait = sides.dst.pageable();
  if (sides.src.pageable() && !wait) Stage(sides, &work);
  if (const cudaError_t error = runtime.Submit(lock, stream, std::move(work))) return error;
  if (!wait) return cudaSuccess;
  runtime.scheduler.WaitFor(lock, {stream, stream->queued});
  return stream->device->sticky;
}

cudaError_t CopySync(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                     const CopyRequest& request) {
  if (const cudaError_t error = runtime.CheckImplicit(*stream)) return error;
  if (const cudaError_t error = runtime.CheckUnsafe()) return error;
  if (stream->capture != nullptr) return cudaErrorStreamCaptureUnsupported;
  if (IsEmpty(request)) return cudaSuccess;
  Sides sides;
  if (const cudaError_t error = FindSides(runtime, request, &sides)) return error;
  CopyWork work = MakeWork(request, sides);
  const bool on_device = work.dst_is_device && work.src_is_device;
  const bool upload = sides.src.pageable() && work.dst_is_device;
  if (upload) {
    // An empty place in the order: behind all that the stream must wait for.
    runtime.SubmitOperation(lock, *stream, {});
    runtime.scheduler.WaitFor(lock, {stream, stream->queued});
    Stage(sides, &work);
  }
  if (const cudaError_t error = runtime.Submit(lock, stream, std::move(work))) return error;
  if (!on_device && !upload) runtime.scheduler.WaitFor(lock, {stream, stream->queued});
  return stream->device->sticky;
}

cudaError_t MakeFillWork(Runtime& runtime, const FillWork& request, FillWork* work) {
  *work = request;
  if (request.width == 0 || request.height == 0) {
    *work = {.width = 0};
    return cudaSuccess;
  }
  const size_t element = request.element_bytes;
  const size_t row_bytes = request.width * element;
  if ((element != 1 && element != 2 && element != 4) || request.width > kMaxBytes ||
      reinterpret_cast<uintptr_t>(request.dst) % element != 0) {
    return cudaErrorInvalidValue;
  }
  if (request.height > 1 && request.pitch < row_bytes) return cudaErrorInvalidPitchValue;
  Side side;
  const size_t span = Span(row_bytes, request.pitch, request.height);
  if (const cudaError_t error = FindSide(runtime, request.dst, span, &side)) return error;
  return side.may_be_device() ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t FillAsync(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                      const FillWork& request) {
  FillWork work;
  const cudaError_t error = MakeFillWork(runtime, request, &work);
  if (error != cudaSuccess || work.width == 0) return error;
  return runtime.Submit(lock, stream, work);
}

}  // namespace emu
