// What every file that defines functions of the C ABI begins with: the toolkit's declarations,
// which the definitions must match, and the second name under which the real library exports each
// function for profilers.
#ifndef SWITCHYARD_EMULATOR_NCCL_ABI_H_
#define SWITCHYARD_EMULATOR_NCCL_ABI_H_

#include <nccl.h>

#if NCCL_VERSION_CODE < NCCL_VERSION(2, 28, 0) || NCCL_MAJOR != 2
#error "the NCCL stand-in defines the interface of NCCL 2.28 and later releases of NCCL 2"
#endif

// pncclName is ncclName. Inside extern "C", after the definition.
#define EMU_PROFILING_NAME(name) decltype(name) p##name __attribute__((alias(#name)))

#endif  // SWITCHYARD_EMULATOR_NCCL_ABI_H_
