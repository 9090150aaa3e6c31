// A program with a fault: the host reads the result before the stream is known to be done. Exit
// code 0: the right answer came out by luck; 7: the fault showed.
#include "tests/emulator/cudart/programs/check.h"

__global__ void Set(int* out, int value) { *out = value; }

int main(int argc, char**) {
  cudaStream_t stream;
  CHECK_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  int* result;
  CHECK_CUDA(cudaMallocHost(&result, sizeof(int)));
  *result = 0;
  Set<<<1, 1, 0, stream>>>(result, 5);
  CHECK_CUDA(cudaGetLastError());
  const bool repaired = argc > 1;
  if (repaired) CHECK_CUDA(cudaStreamSynchronize(stream));
  return *static_cast<volatile int*>(result) == 5 ? 0 : 7;
}
