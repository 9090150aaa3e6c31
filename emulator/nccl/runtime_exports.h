// What the emulated runtime offers to this library beyond CUDA's interface
// (emulator/cudart/enqueue.h says more). Declared here once more: the two libraries share no code.
#ifndef SWITCHYARD_EMULATOR_NCCL_RUNTIME_EXPORTS_H_
#define SWITCHYARD_EMULATOR_NCCL_RUNTIME_EXPORTS_H_

#include <driver_types.h>

#include <cstddef>

extern "C" {

// `run(argument)` in stream order, or each time the graph that the stream captures comes to it;
// `destroy(argument)` when it will never run again.
void switchyard_emulator_enqueue(cudaStream_t stream, void (*run)(void*), void* argument,
                                 void (*destroy)(void*));

// Whether the bytes are live memory of the runtime's at this moment.
bool switchyard_emulator_is_live(const void* address, size_t bytes);

// They hold data from now on.
void switchyard_emulator_mark_written(const void* address, size_t bytes);

}  // extern "C"

#endif  // SWITCHYARD_EMULATOR_NCCL_RUNTIME_EXPORTS_H_
