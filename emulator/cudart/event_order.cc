#include "emulator/cudart/event_order.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "emulator/cudart/ipc_event.h"

namespace emu {
namespace {

double NowMs() {
  using Ms = std::chrono::duration<double, std::milli>;
  return Ms(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Join(Capture& capture, const std::shared_ptr<Stream>& stream) {
  if (std::find(capture.streams.begin(), capture.streams.end(), stream) == capture.streams.end()) {
    capture.streams.push_back(stream);
  }
}

// A stream waits for an event that was recorded in a capture: it joins, or adds dependencies.
cudaError_t WaitInCapture(const std::shared_ptr<Stream>& stream, const Event& event) {
  const std::shared_ptr<Capture> capture = event.capture.lock();
  if (capture == nullptr || capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (stream->capture == nullptr) {
    if (stream->kind == StreamKind::kLegacy) return cudaErrorStreamCaptureImplicit;
    stream->capture = capture;
    stream->capture_tail.clear();
    Join(*capture, stream);
  } else if (stream->capture != capture) {
    stream->capture->invalid = true;
    capture->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  for (GraphNode* node : event.captured_nodes) {
    std::vector<GraphNode*>& tail = stream->capture_tail;
    if (std::find(tail.begin(), tail.end(), node) == tail.end()) tail.push_back(node);
  }
  return cudaSuccess;
}

}  // namespace

Operation RecordOperation(Event& event, const std::shared_ptr<Stream>& stream) {
  event.is_captured = false;
  event.captured_nodes.clear();
  event.recorded = true;
  event.stamp = std::make_shared<Event::Stamp>();
  event.point = {stream, stream->queued + 1};
  Operation operation;
  operation.seen_outside = event.ipc != nullptr;
  const uint32_t number = event.ipc == nullptr ? 0 : event.ipc->Record();
  operation.run = [stamp = event.stamp, ipc = event.ipc, number] {
    stamp->ms.store(NowMs());
    if (ipc != nullptr) ipc->Complete(number);
    return cudaSuccess;
  };
  return operation;
}

cudaError_t RecordEvent(Runtime& runtime, Lock& lock, const std::shared_ptr<Event>& event,
                        const std::shared_ptr<Stream>& stream, bool external) {
  if (event->device != stream->device) return cudaErrorInvalidResourceHandle;
  if (external && stream->capture != nullptr) {
    return runtime.Submit(lock, stream, RecordWork{event});
  }
  if (stream->capture != nullptr) {
    if (stream->capture->invalid) return cudaErrorStreamCaptureInvalidated;
    event->capture = stream->capture;
    event->captured_nodes = stream->capture_tail;
    event->is_captured = true;
    return cudaSuccess;
  }
  if (const cudaError_t error = runtime.CheckImplicit(*stream)) return error;
  runtime.SubmitOperation(lock, *stream, RecordOperation(*event, stream));
  return cudaSuccess;
}

void AddWait(const Event& event, Operation* operation) {
  if (event.ipc == nullptr) {
    if (event.recorded) operation->after.push_back(event.point);
    return;
  }
  const uint32_t number = event.ipc->last_recorded();
  if (event.ipc->IsComplete(number)) return;
  if (event.recorded) operation->after.push_back(event.point);
  operation->may_block = true;
  operation->seen_outside = true;
  operation->run = [ipc = event.ipc, number] {
    ipc->WaitFor(number);
    return cudaSuccess;
  };
}

cudaError_t WaitForEvent(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                         const std::shared_ptr<Event>& event, bool external) {
  if (external && stream->capture != nullptr) {
    return runtime.Submit(lock, stream, WaitWork{event});
  }
  if (event->is_captured) return WaitInCapture(stream, *event);
  if (stream->capture != nullptr) {
    if (!event->recorded) return cudaSuccess;
    stream->capture->invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (const cudaError_t error = runtime.CheckImplicit(*stream)) return error;
  Operation operation;
  AddWait(*event, &operation);
  if (operation.after.empty() && !operation.run) return cudaSuccess;
  runtime.SubmitOperation(lock, *stream, std::move(operation));
  return cudaSuccess;
}

}  // namespace emu
