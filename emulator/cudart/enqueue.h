// What this library offers to the emulated NCCL, beyond CUDA's interface.
//
// Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_ENQUEUE_H_
#define SWITCHYARD_EMULATOR_CUDART_ENQUEUE_H_

#include <driver_types.h>

extern "C" {

// Runs run(argument) in the stream's order, on a thread of its own: it may block, and must not call
// CUDA. If the stream captures, it becomes a node and runs at every launch of the graph.
// destroy(argument), if not null, comes once: after the run, or when the last graph that holds the
// node is gone, or at once when the stream refuses the work (cudaGetLastError then says why).
void switchyard_emulator_enqueue(cudaStream_t stream, void (*run)(void*), void* argument,
                                 void (*destroy)(void*));

}  // extern "C"

#endif  // SWITCHYARD_EMULATOR_CUDART_ENQUEUE_H_
