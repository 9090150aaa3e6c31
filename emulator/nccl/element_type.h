// Sizes and names of NCCL's element types.
#ifndef SWITCHYARD_EMULATOR_NCCL_ELEMENT_TYPE_H_
#define SWITCHYARD_EMULATOR_NCCL_ELEMENT_TYPE_H_

#include <nccl.h>

#include <cstddef>

namespace emu {

// Bytes of one element; 0 for a value that is no type.
size_t ElementBytes(ncclDataType_t type);

// "float32", "bfloat16", ...; "no type" for a value that is none.
const char* ElementName(ncclDataType_t type);

bool IsFloatingPoint(ncclDataType_t type);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_ELEMENT_TYPE_H_
