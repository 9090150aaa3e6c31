// What the sample programs share. Plain CUDA programs: nothing in them knows of an emulator, and
// they give the same answers on a GPU.
#ifndef SWITCHYARD_TESTS_EMULATOR_CUDART_PROGRAMS_CHECK_H_
#define SWITCHYARD_TESTS_EMULATOR_CUDART_PROGRAMS_CHECK_H_

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                        \
    }                                                                      \
  } while (false)

#define EXPECT_CUDA(expected, call)                                                              \
  do {                                                                                           \
    const cudaError_t got = (call);                                                              \
    if (got != (expected)) {                                                                     \
      std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(got)); \
      std::exit(1);                                                                              \
    }                                                                                            \
  } while (false)

#define CHECK_CUDA(call) EXPECT_CUDA(cudaSuccess, call)

#endif  // SWITCHYARD_TESTS_EMULATOR_CUDART_PROGRAMS_CHECK_H_
