// What this library offers to the emulated NCCL, beyond CUDA's interface.
//
// Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_ENQUEUE_H_
#define SWITCHYARD_EMULATOR_CUDART_ENQUEUE_H_

#include <driver_types.h>

#include <cstddef>

extern "C" {

// Runs run(argument) in the stream's order, on a thread of its own: it may block, and must not call
// CUDA. If the stream captures, it becomes a node and runs at every launch of the graph.
// destroy(argument), if not null, comes once: after the run, or when the last graph that holds the
// node is gone, or at once when the stream refuses the work (cudaGetLastError then says why).
void switchyard_emulator_enqueue(cudaStream_t stream, void (*run)(void*), void* argument,
                                 void (*destroy)(void*));

// Whether [address, address + bytes) is live memory that this library handed out. May be asked by
// what switchyard_emulator_enqueue runs, as may the next.
bool switchyard_emulator_is_live(const void* address, size_t bytes);

// For the check of uninitialised reads: these bytes hold data from now on.
void switchyard_emulator_mark_written(const void* address, size_t bytes);

}  // extern "C"

#endif  // SWITCHYARD_EMULATOR_CUDART_ENQUEUE_H_
