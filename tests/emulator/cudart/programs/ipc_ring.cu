// N processes, each with a counter in its device's memory that its neighbour's kernel counts up.
// The parent makes the processes and the pipes between them, and never calls CUDA.
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "tests/emulator/cudart/programs/check.h"

__global__ void CountUp(int* counter) {
  atomicAdd_system(counter, static_cast<int>(threadIdx.x) + 1);
}

struct Pipe {
  int read_end, write_end;
};

static void Put(int fd, const void* data, size_t bytes) {
  CHECK(write(fd, data, bytes) == static_cast<ssize_t>(bytes));
}
static void Get(int fd, void* data, size_t bytes) {
  CHECK(read(fd, data, bytes) == static_cast<ssize_t>(bytes));
}

static int Worker(int rank, int world, const std::vector<Pipe>& pipes) {
  const Pipe& from_left = pipes[static_cast<size_t>(rank)];
  const Pipe& to_right = pipes[static_cast<size_t>((rank + 1) % world)];
  CHECK_CUDA(cudaSetDevice(rank));
  int* mine;
  CHECK_CUDA(cudaMalloc(&mine, sizeof(int)));
  CHECK_CUDA(cudaMemset(mine, 0, sizeof(int)));
  CHECK_CUDA(cudaDeviceSynchronize());
  cudaIpcMemHandle_t handle;
  CHECK_CUDA(cudaIpcGetMemHandle(&handle, mine));
  Put(to_right.write_end, &handle, sizeof handle);
  Get(from_left.read_end, &handle, sizeof handle);
  int* neighbour;
  CHECK_CUDA(cudaIpcOpenMemHandle(reinterpret_cast<void**>(&neighbour), handle,
                                  cudaIpcMemLazyEnablePeerAccess));
  CountUp<<<1, 32>>>(neighbour);
  CHECK_CUDA(cudaDeviceSynchronize());
  char token = 'x';
  for (int i = 0; i < world; ++i) {  // all are done when a token has gone around
    Put(to_right.write_end, &token, 1);
    Get(from_left.read_end, &token, 1);
  }
  int value = 0;
  CHECK_CUDA(cudaMemcpy(&value, mine, sizeof value, cudaMemcpyDeviceToHost));
  CHECK(value == 32 * 33 / 2);
  CHECK_CUDA(cudaIpcCloseMemHandle(neighbour));
  return 0;
}

int main(int argc, char** argv) {
  const int world = argc > 1 ? std::atoi(argv[1]) : 2;
  std::vector<Pipe> pipes(static_cast<size_t>(world));
  for (Pipe& p : pipes) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    p = {ends[0], ends[1]};
  }
  std::vector<pid_t> children;
  for (int rank = 0; rank < world; ++rank) {
    const pid_t child = fork();
    if (child == 0) return Worker(rank, world, pipes);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  return 0;
}
