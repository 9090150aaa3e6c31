// Recording an event in a stream, and making a stream wait for one, in and outside captures.
//
// Thread: under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_EVENT_ORDER_H_
#define SWITCHYARD_EMULATOR_CUDART_EVENT_ORDER_H_

#include <driver_types.h>

#include <memory>

#include "emulator/cudart/runtime.h"

namespace emu {

// `external`: in a capture, a node that records it at every launch, not a mark for the capture.
cudaError_t RecordEvent(Runtime& runtime, Lock& lock, const std::shared_ptr<Event>& event,
                        const std::shared_ptr<Stream>& stream, bool external);
cudaError_t WaitForEvent(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                         const std::shared_ptr<Event>& event, bool external);

// An operation that records the event, where it stands in the stream's order.
Operation RecordOperation(Event& event, const std::shared_ptr<Stream>& stream);
// Adds what an operation must wait for to wait for the event as it is recorded now.
void AddWait(const Event& event, Operation* operation);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_EVENT_ORDER_H_
