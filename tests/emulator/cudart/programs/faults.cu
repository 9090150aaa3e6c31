// What a faulty kernel does to its device: the named error, from every call, for good.
#include <cstring>

#include "tests/emulator/cudart/programs/check.h"

__global__ void WriteAt(int* data, int index) { data[index] = 1; }
__global__ void WriteMisaligned(char* data) { *reinterpret_cast<int*>(data + 1) = 1; }
__global__ void Trap() { asm volatile("trap;"); }

static void ExpectFatal(cudaError_t expected) {
  EXPECT_CUDA(expected, cudaDeviceSynchronize());
  EXPECT_CUDA(expected, cudaGetLastError());
  EXPECT_CUDA(expected, cudaGetLastError());
  EXPECT_CUDA(expected, cudaPeekAtLastError());
  void* p;
  EXPECT_CUDA(expected, cudaMalloc(&p, 4));
  EXPECT_CUDA(expected, cudaStreamSynchronize(nullptr));
  Trap<<<1, 1>>>();
  EXPECT_CUDA(expected, cudaGetLastError());
}

int main(int argc, char** argv) {
  const char* fault = argc > 1 ? argv[1] : "";
  int* data = nullptr;
  if (std::strcmp(fault, "nothing") == 0) {  // no memory was ever allocated
    WriteAt<<<1, 1>>>(data, 0);
    ExpectFatal(cudaErrorIllegalAddress);
    return 0;
  }
  CHECK_CUDA(cudaMalloc(&data, 40));
  if (std::strcmp(fault, "bounds") == 0) {
    WriteAt<<<1, 1>>>(data, 10);
    CHECK_CUDA(cudaGetLastError());
    ExpectFatal(cudaErrorIllegalAddress);
  } else if (std::strcmp(fault, "freed") == 0) {
    CHECK_CUDA(cudaFree(data));
    WriteAt<<<1, 1>>>(data, 0);
    ExpectFatal(cudaErrorIllegalAddress);
  } else if (std::strcmp(fault, "pageable") == 0) {
    static int host[10];
    WriteAt<<<1, 1>>>(host, 0);
    ExpectFatal(cudaErrorIllegalAddress);
  } else if (std::strcmp(fault, "misaligned") == 0) {
    WriteMisaligned<<<1, 1>>>(reinterpret_cast<char*>(data));
    ExpectFatal(cudaErrorMisalignedAddress);
  } else if (std::strcmp(fault, "trap") == 0) {
    Trap<<<1, 1>>>();
    ExpectFatal(cudaErrorLaunchFailure);
  } else {
    WriteAt<<<1, 1>>>(data, 9);
    CHECK_CUDA(cudaDeviceSynchronize());
  }
  return 0;
}
