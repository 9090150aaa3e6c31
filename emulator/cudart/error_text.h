// Name and description of every cudaError_t of CUDA 13. Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_ERROR_TEXT_H_
#define SWITCHYARD_EMULATOR_CUDART_ERROR_TEXT_H_

#include <driver_types.h>

namespace emu {

// Strings live for ever. A number that is no error gives "unrecognized error code" for both.
const char* ErrorName(cudaError_t error);
const char* ErrorDescription(cudaError_t error);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_ERROR_TEXT_H_
