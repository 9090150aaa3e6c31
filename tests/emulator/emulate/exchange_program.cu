// An ordinary CUDA and NCCL program of several processes: kernels and an all-reduce captured into a
// graph, then a grouped all-to-all of uneven sizes between kernels. Nothing in it knows about the
// emulator.  exchange_program RANK NUM_RANKS ID_FILE [mismatch|overrun|lost_peer]
//   exchange_program devices NUM_DEVICES    one thread that drives several devices
#include <cuda_runtime.h>
#include <nccl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

void CheckCuda(cudaError_t error, int line) {
  if (error == cudaSuccess) return;
  std::printf("line %d: %s\n", line, cudaGetErrorString(error));
  std::exit(1);
}
void CheckNccl(ncclResult_t result, int line) {
  if (result == ncclSuccess) return;
  std::printf("line %d: %s: %s\n", line, ncclGetErrorString(result), ncclGetLastError(nullptr));
  std::exit(1);
}
#define CUDA(call) CheckCuda(call, __LINE__)
#define NCCL(call) CheckNccl(call, __LINE__)

constexpr int kThreads = 128;
int Blocks(int n) { return (n + kThreads - 1) / kThreads; }

// out[i] = in[i] * scale + add + i % 5
__global__ void Step(const float* in, float* out, int n, float scale, float add) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i] * scale + add + static_cast<float>(i % 5);
}

// out[i] = from * 1000 + to * 10 + i % 7
__global__ void Letter(int* out, int n, int from, int to) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = from * 1000 + to * 10 + i % 7;
}

// Counts what is not as Letter wrote it.
__global__ void CountWrong(const int* in, int n, int from, int to, int* num_wrong) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n && in[i] != from * 1000 + to * 10 + i % 7) atomicAdd(num_wrong, 1);
}

ncclUniqueId ShareId(int rank, const std::string& file) {
  ncclUniqueId id;
  if (rank == 0) {
    NCCL(ncclGetUniqueId(&id));
    FILE* out = fopen((file + ".new").c_str(), "wb");
    fwrite(&id, sizeof id, 1, out);
    fclose(out);
    rename((file + ".new").c_str(), file.c_str());
    return id;
  }
  FILE* in = nullptr;
  while ((in = fopen(file.c_str(), "rb")) == nullptr) usleep(2000);
  if (fread(&id, sizeof id, 1, in) != 1) std::exit(1);
  fclose(in);
  return id;
}

struct Worker {
  int rank;
  int num_ranks;
  ncclComm_t comm;
  cudaStream_t stream;
};

// Three launches of one graph: step, sum over ranks, step. The same in a loop on the host.
bool ReduceInGraph(const Worker& self) {
  constexpr int kCount = 3000;
  float* a;
  float* b;
  CUDA(cudaMalloc(&a, kCount * sizeof(float)));
  CUDA(cudaMalloc(&b, kCount * sizeof(float)));
  CUDA(cudaMemsetAsync(a, 0, kCount * sizeof(float), self.stream));
  const float scale = 1.0f / static_cast<float>(self.num_ranks);
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  CUDA(cudaStreamBeginCapture(self.stream, cudaStreamCaptureModeThreadLocal));
  Step<<<Blocks(kCount), kThreads, 0, self.stream>>>(a, b, kCount, 1,
                                                     static_cast<float>(self.rank));
  NCCL(ncclAllReduce(b, b, kCount, ncclFloat, ncclSum, self.comm, self.stream));
  Step<<<Blocks(kCount), kThreads, 0, self.stream>>>(b, a, kCount, scale, 1);
  CUDA(cudaStreamEndCapture(self.stream, &graph));
  CUDA(cudaGraphInstantiate(&executable, graph, 0));
  for (int i = 0; i < 3; ++i) CUDA(cudaGraphLaunch(executable, self.stream));
  std::vector<float> result(kCount);
  CUDA(cudaMemcpyAsync(result.data(), a, kCount * sizeof(float), cudaMemcpyDeviceToHost,
                       self.stream));
  CUDA(cudaStreamSynchronize(self.stream));
  CUDA(cudaGraphExecDestroy(executable));
  CUDA(cudaGraphDestroy(graph));
  CUDA(cudaFree(a));
  CUDA(cudaFree(b));
  for (int i = 0; i < kCount; ++i) {
    const auto remainder = static_cast<float>(i % 5);
    float expected = 0;
    for (int launch = 0; launch < 3; ++launch) {
      float sum = 0;
      for (int r = 0; r < self.num_ranks; ++r) {
        sum += expected + static_cast<float>(r) + remainder;
      }
      expected = sum * scale + 1 + remainder;
    }
    if (result[i] != expected) {
      std::printf("rank %d: element %d is %g, not %g\n", self.rank, i, result[i], expected);
      return false;
    }
  }
  return true;
}

int CountOf(int from, int to) { return from * 20011 + to * 301 + 5; }

bool ExchangeLetters(const Worker& self) {
  std::vector<int*> sent(self.num_ranks);
  std::vector<int*> received(self.num_ranks);
  int* num_wrong;
  CUDA(cudaMalloc(&num_wrong, sizeof(int)));
  CUDA(cudaMemsetAsync(num_wrong, 0, sizeof(int), self.stream));
  for (int peer = 0; peer < self.num_ranks; ++peer) {
    const int count = CountOf(self.rank, peer);
    CUDA(cudaMalloc(&sent[peer], count * sizeof(int)));
    CUDA(cudaMalloc(&received[peer], CountOf(peer, self.rank) * sizeof(int)));
    Letter<<<Blocks(count), kThreads, 0, self.stream>>>(sent[peer], count, self.rank, peer);
  }
  NCCL(ncclGroupStart());
  for (int peer = 0; peer < self.num_ranks; ++peer) {
    NCCL(ncclSend(sent[peer], CountOf(self.rank, peer), ncclInt, peer, self.comm, self.stream));
    NCCL(ncclRecv(received[peer], CountOf(peer, self.rank), ncclInt, peer, self.comm, self.stream));
  }
  NCCL(ncclGroupEnd());
  for (int peer = 0; peer < self.num_ranks; ++peer) {
    const int count = CountOf(peer, self.rank);
    CountWrong<<<Blocks(count), kThreads, 0, self.stream>>>(received[peer], count, peer, self.rank,
                                                            num_wrong);
  }
  CUDA(cudaGetLastError());
  int wrong = -1;
  CUDA(cudaMemcpyAsync(&wrong, num_wrong, sizeof(int), cudaMemcpyDeviceToHost, self.stream));
  CUDA(cudaStreamSynchronize(self.stream));
  if (wrong != 0) std::printf("rank %d: %d elements are wrong\n", self.rank, wrong);
  return wrong == 0;
}

// The last rank kills itself; the others wait for it in a stream, which another thread
// synchronises, until they abort.
int LosePeer(const Worker& self) {
  if (self.rank == self.num_ranks - 1) raise(SIGKILL);
  float* data;
  CUDA(cudaMalloc(&data, 64));
  NCCL(ncclAllReduce(data, data, 16, ncclFloat, ncclSum, self.comm, self.stream));
  std::thread waiter([&] { CUDA(cudaStreamSynchronize(self.stream)); });
  ncclResult_t state;
  NCCL(ncclCommGetAsyncError(self.comm, &state));
  NCCL(ncclCommAbort(self.comm));
  waiter.join();
  std::printf("rank %d: state %d, aborted\n", self.rank, state);
  return 0;
}

// Frees what a collective still waits to read, in another stream and in no order with it.
int FreeTooEarly(const Worker& self) {
  cudaStream_t other;
  CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  float* data;
  CUDA(cudaMallocAsync(&data, 64, self.stream));
  CUDA(cudaStreamSynchronize(self.stream));
  // A rank that was faster may have failed already, which ends the communicator for all.
  const ncclResult_t called =
      ncclAllReduce(data, data, 16, ncclFloat, ncclSum, self.comm, self.stream);
  if (called == ncclUnhandledCudaError) return 0;
  NCCL(called);
  CUDA(cudaFreeAsync(data, other));
  CUDA(cudaStreamSynchronize(other));
  CUDA(cudaStreamSynchronize(self.stream));
  ncclResult_t state;
  NCCL(ncclCommGetAsyncError(self.comm, &state));
  NCCL(ncclCommAbort(self.comm));
  return state == ncclUnhandledCudaError ? 0 : 1;
}

int DriveDevices(int num_devices) {
  std::vector<ncclComm_t> comms(num_devices);
  std::vector<cudaStream_t> streams(num_devices);
  std::vector<int*> data(num_devices);
  NCCL(ncclCommInitAll(comms.data(), num_devices, nullptr));
  for (int d = 0; d < num_devices; ++d) {
    CUDA(cudaSetDevice(d));
    CUDA(cudaStreamCreateWithFlags(&streams[d], cudaStreamNonBlocking));
    CUDA(cudaMalloc(&data[d], num_devices * sizeof(int)));
    Letter<<<1, kThreads, 0, streams[d]>>>(data[d] + d, 1, d, 0);
  }
  NCCL(ncclGroupStart());
  for (int d = 0; d < num_devices; ++d) {
    NCCL(ncclAllGather(data[d] + d, data[d], 1, ncclInt, comms[d], streams[d]));
  }
  NCCL(ncclGroupEnd());
  NCCL(ncclGroupStart());
  for (int d = 0; d < num_devices; ++d) {
    NCCL(ncclAllReduce(data[d], data[d], num_devices, ncclInt, ncclSum, comms[d], streams[d]));
  }
  NCCL(ncclGroupEnd());
  bool right = true;
  for (int d = 0; d < num_devices; ++d) {
    std::vector<int> result(num_devices);
    CUDA(cudaMemcpyAsync(result.data(), data[d], num_devices * sizeof(int), cudaMemcpyDeviceToHost,
                         streams[d]));
    CUDA(cudaStreamSynchronize(streams[d]));
    for (int i = 0; i < num_devices; ++i) right = right && result[i] == i * 1000 * num_devices;
    NCCL(ncclCommDestroy(comms[d]));
  }
  std::printf("%d devices: %s\n", num_devices, right ? "right" : "WRONG");
  return right ? 0 : 1;
}

int CallWithDifferentCounts(const Worker& self) {
  float* data;
  CUDA(cudaMalloc(&data, 64));
  NCCL(ncclAllReduce(data, data, 2 + self.rank, ncclFloat, ncclSum, self.comm, self.stream));
  CUDA(cudaStreamSynchronize(self.stream));
  ncclResult_t state;
  NCCL(ncclCommGetAsyncError(self.comm, &state));
  NCCL(ncclCommAbort(self.comm));
  return state == ncclInvalidUsage ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "devices") return DriveDevices(std::atoi(argv[2]));
  if (argc < 4) return 2;
  Worker self = {std::atoi(argv[1]), std::atoi(argv[2]), nullptr, nullptr};
  const std::string fault = argc > 4 ? argv[4] : "";
  CUDA(cudaSetDevice(0));
  CUDA(cudaStreamCreateWithFlags(&self.stream, cudaStreamNonBlocking));
  NCCL(ncclCommInitRank(&self.comm, self.num_ranks, ShareId(self.rank, argv[3]), self.rank));
  if (fault == "mismatch") return CallWithDifferentCounts(self);
  if (fault == "lost_peer") return LosePeer(self);
  if (fault == "freed") return FreeTooEarly(self);
  if (fault == "overrun") {
    float* data;
    CUDA(cudaMalloc(&data, 64));
    NCCL(ncclAllReduce(data, data, 17, ncclFloat, ncclSum, self.comm, self.stream));
    return 0;
  }
  const bool right = ReduceInGraph(self) && ExchangeLetters(self);
  NCCL(ncclCommDestroy(self.comm));
  CUDA(cudaStreamDestroy(self.stream));
  std::printf("rank %d of %d: %s\n", self.rank, self.num_ranks, right ? "right" : "WRONG");
  return right ? 0 : 1;
}
