// The C interface: capturing streams into graphs.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <utility>

#include "emulator/cudart/graph_call.h"

namespace emu {
namespace {

cudaStreamCaptureStatus StatusOf(const Stream& stream) {
  if (stream.capture == nullptr) return cudaStreamCaptureStatusNone;
  return stream.capture->invalid ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
}

cudaError_t Begin(Runtime& runtime, const std::shared_ptr<Stream>& stream,
                  cudaStreamCaptureMode mode) {
  if (mode < cudaStreamCaptureModeGlobal || mode > cudaStreamCaptureModeRelaxed) {
    return cudaErrorInvalidValue;
  }
  if (stream->kind == StreamKind::kLegacy) return cudaErrorStreamCaptureUnsupported;
  if (stream->capture != nullptr) return cudaErrorIllegalState;
  auto capture = std::make_shared<Capture>();
  capture->id = runtime.next_id++;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream.get();
  capture->streams = {stream};
  capture->graph = std::make_shared<Graph>();
  runtime.captures.push_back(capture);
  stream->capture = std::move(capture);
  return cudaSuccess;
}

cudaError_t End(Runtime& runtime, const std::shared_ptr<Stream>& stream, cudaGraph_t* out) {
  *out = nullptr;
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture == nullptr) return cudaErrorIllegalState;
  if (capture->origin != stream.get()) {
    capture->invalid = true;
    return cudaErrorStreamCaptureUnmatched;
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed &&
      capture->thread != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  const bool joined = capture->IsJoined();
  capture->Detach();
  std::erase(runtime.captures, capture);
  if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (!joined) return cudaErrorStreamCaptureUnjoined;
  *out = reinterpret_cast<cudaGraph_t>(capture->graph.get());
  runtime.graphs[capture->graph.get()] = capture->graph;
  return cudaSuccess;
}

// What cudaStreamGetCaptureInfo points to: the calling thread's, until its next call.
struct InfoArrays {
  std::vector<cudaGraphNode_t> nodes;
  std::vector<cudaGraphEdgeData> edges;
};
thread_local InfoArrays info_arrays;

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return emu::StreamCall(stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock&) {
    return emu::Begin(runtime, found, mode);
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (graph == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock&) {
    return emu::End(runtime, found, graph);
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  if (status == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(stream,
                         [&](emu::Runtime& runtime, const auto& found, emu::Lock&) -> cudaError_t {
                           if (const cudaError_t error = runtime.CheckImplicit(*found))
                             return error;
                           *status = emu::StatusOf(*found);
                           return cudaSuccess;
                         });
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
  if (status == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(stream,
                         [&](emu::Runtime& runtime, const auto& found, emu::Lock&) -> cudaError_t {
                           if (const cudaError_t error = runtime.CheckImplicit(*found))
                             return error;
                           *status = emu::StatusOf(*found);
                           if (*status != cudaStreamCaptureStatusActive) return cudaSuccess;
                           if (id != nullptr) *id = found->capture->id;
                           if (graph != nullptr)
                             *graph = reinterpret_cast<cudaGraph_t>(found->capture->graph.get());
                           emu::InfoArrays& arrays = emu::info_arrays;
                           arrays.nodes.clear();
                           for (emu::GraphNode* node : found->capture_tail) {
                             arrays.nodes.push_back(reinterpret_cast<cudaGraphNode_t>(node));
                           }
                           arrays.edges.assign(arrays.nodes.size(), cudaGraphEdgeData{});
                           if (dependencies != nullptr) *dependencies = arrays.nodes.data();
                           if (edges != nullptr) *edges = arrays.edges.data();
                           if (count != nullptr) *count = arrays.nodes.size();
                           return cudaSuccess;
                         });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  if (mode == nullptr || *mode < cudaStreamCaptureModeGlobal ||
      *mode > cudaStreamCaptureModeRelaxed) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  std::swap(*mode, emu::thread_capture_mode);
  return cudaSuccess;
}

}  // extern "C"
