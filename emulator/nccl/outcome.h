// What an inner call of the NCCL stand-in returns: a result code of the C ABI and, on failure, the
// sentence that ncclGetLastError will show.
#ifndef SWITCHYARD_EMULATOR_NCCL_OUTCOME_H_
#define SWITCHYARD_EMULATOR_NCCL_OUTCOME_H_

#include <nccl.h>

#include <string>

namespace emu {

struct Outcome {
  ncclResult_t code = ncclSuccess;
  std::string text;  // empty when ok

  bool ok() const { return code == ncclSuccess; }
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_OUTCOME_H_
