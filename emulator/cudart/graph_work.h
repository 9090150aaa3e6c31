// Between the parameter structs of graph nodes and Work, in both directions.
//
// Thread: under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_GRAPH_WORK_H_
#define SWITCHYARD_EMULATOR_CUDART_GRAPH_WORK_H_

#include <driver_types.h>

#include "emulator/cudart/runtime.h"

namespace emu {

// The same checks as the calls on streams have.
cudaError_t ToWork(Runtime& runtime, const cudaKernelNodeParams& params, Work* work);
cudaError_t ToWork(Runtime& runtime, const cudaMemsetParams& params, Work* work);
cudaError_t ToWork(Runtime& runtime, const cudaHostNodeParams& params, Work* work);

// False: the work is of another kind. Pointers to kernel parameters hold until the work changes.
bool FromWork(Work& work, cudaKernelNodeParams* params);
bool FromWork(const Work& work, cudaMemsetParams* params);

// Replaces work by other work of the same kind; an allocation cannot change.
cudaError_t ReplaceWork(const Work& by, Work* work);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_GRAPH_WORK_H_
