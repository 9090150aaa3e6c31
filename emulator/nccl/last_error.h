// The sentence that ncclGetLastError shows: the latest failure of any call in this process.
#ifndef SWITCHYARD_EMULATOR_NCCL_LAST_ERROR_H_
#define SWITCHYARD_EMULATOR_NCCL_LAST_ERROR_H_

#include <nccl.h>

#include <string>

#include "emulator/nccl/outcome.h"

namespace emu {

// Remembers the outcome's text if it is a failure; returns its code. How a call of the C ABI ends.
ncclResult_t Return(const Outcome& outcome);

// The latest text; lives until this thread's next call.
const char* LastError();
const char* ShowError(const std::string& text);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_LAST_ERROR_H_
