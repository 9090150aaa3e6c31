// Memory and events between two processes. The processes are made by a fork before either calls
// CUDA, and speak over a pair of sockets.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

class Peer {
 public:
  explicit Peer(int socket) : socket_(socket) {}
  template <typename T>
  void Send(const T& value) {
    if (write(socket_, &value, sizeof value) != sizeof value) std::abort();
  }
  template <typename T>
  T Receive() {
    T value;
    if (read(socket_, &value, sizeof value) != sizeof value) std::abort();
    return value;
  }

 private:
  int socket_;
};

// Exports memory, fills it in stream order behind an event, and never synchronises before the
// other has read it. Returns what it then finds in the memory.
int Exporter(Peer peer) {
  void* p = nullptr;
  EXPECT_CUDA(cudaSuccess, cudaMalloc(&p, 3 << 20));
  void* q = nullptr;
  EXPECT_CUDA(cudaSuccess, cudaMalloc(&q, 4096));
  cudaEvent_t event = nullptr;
  EXPECT_CUDA(cudaSuccess,
              cudaEventCreateWithFlags(&event, cudaEventInterprocess | cudaEventDisableTiming));
  cudaIpcMemHandle_t memory;
  cudaIpcEventHandle_t shared;
  EXPECT_CUDA(cudaSuccess, cudaIpcGetMemHandle(&memory, q));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaIpcGetMemHandle(&memory, static_cast<char*>(q) + 1));
  EXPECT_CUDA(cudaSuccess, cudaIpcGetEventHandle(&shared, event));
  void* mine = nullptr;
  EXPECT_CUDA(cudaErrorDeviceUninitialized,
              cudaIpcOpenMemHandle(&mine, memory, cudaIpcMemLazyEnablePeerAccess));
  cudaStream_t stream = nullptr;
  EXPECT_CUDA(cudaSuccess, cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  EXPECT_CUDA(cudaSuccess, cudaMemsetAsync(q, 42, 4096, stream));
  EXPECT_CUDA(cudaSuccess, cudaEventRecord(event, stream));
  peer.Send(memory);
  peer.Send(shared);
  EXPECT_EQ(peer.Receive<char>(), 'd');
  unsigned char back = 0;
  EXPECT_CUDA(cudaSuccess, cudaMemcpy(&back, q, 1, cudaMemcpyDeviceToHost));
  return back;
}

void Importer(Peer peer) {
  const auto memory = peer.Receive<cudaIpcMemHandle_t>();
  const auto shared = peer.Receive<cudaIpcEventHandle_t>();
  void* p = nullptr;
  void* again = nullptr;
  EXPECT_CUDA(cudaSuccess, cudaIpcOpenMemHandle(&p, memory, cudaIpcMemLazyEnablePeerAccess));
  EXPECT_CUDA(cudaSuccess, cudaIpcOpenMemHandle(&again, memory, cudaIpcMemLazyEnablePeerAccess));
  EXPECT_EQ(p, again);
  cudaEvent_t event = nullptr;
  EXPECT_CUDA(cudaSuccess, cudaIpcOpenEventHandle(&event, shared));
  cudaStream_t stream = nullptr;
  EXPECT_CUDA(cudaSuccess, cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  EXPECT_CUDA(cudaSuccess, cudaStreamWaitEvent(stream, event, 0));
  unsigned char back[4096] = {};
  EXPECT_CUDA(cudaSuccess, cudaMemcpyAsync(back, p, 4096, cudaMemcpyDeviceToHost, stream));
  EXPECT_EQ(back[0], 42);
  EXPECT_EQ(back[4095], 42);
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaMemcpy(back, static_cast<char*>(p) + 1, 4096, cudaMemcpyDeviceToHost));
  EXPECT_CUDA(cudaSuccess, cudaMemset(p, 43, 1));
  EXPECT_CUDA(cudaSuccess, cudaDeviceSynchronize());
  EXPECT_CUDA(cudaErrorInvalidValue, cudaFree(p));
  EXPECT_CUDA(cudaSuccess, cudaIpcCloseMemHandle(p));
  EXPECT_CUDA(cudaSuccess, cudaIpcCloseMemHandle(p));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaIpcCloseMemHandle(p));
  peer.Send('d');
}

TEST(IpcTest, MemoryAndEventsReachAnotherProcess) {
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
  const pid_t child = fork();
  if (child == 0) {
    Importer(Peer(sockets[1]));
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  EXPECT_EQ(Exporter(Peer(sockets[0])), 43);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(IpcTest, HandlesOfProcessesThatEndedAreRefused) {
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
  // The test before used CUDA here, so the exporter is a fresh program: this one, by its own name.
  const pid_t child = fork();
  if (child == 0) {
    const std::string socket = std::to_string(sockets[1]);
    execl("/proc/self/exe", "ipc_test", "--export", socket.c_str(), nullptr);
    _exit(127);
  }
  const auto memory = Peer(sockets[0]).Receive<cudaIpcMemHandle_t>();
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  void* p = nullptr;
  EXPECT_CUDA(cudaErrorInvalidResourceHandle,
              cudaIpcOpenMemHandle(&p, memory, cudaIpcMemLazyEnablePeerAccess));
  cudaIpcMemHandle_t nonsense = {};
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaIpcOpenMemHandle(&p, nonsense, cudaIpcMemLazyEnablePeerAccess));
}

void ExportAndEnd(int socket) {
  void* p = nullptr;
  cudaIpcMemHandle_t memory;
  if (cudaMalloc(&p, 64) == cudaSuccess && cudaIpcGetMemHandle(&memory, p) == cudaSuccess) {
    Peer(socket).Send(memory);
  }
}

}  // namespace
}  // namespace emu

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--export") == 0) {
    emu::ExportAndEnd(std::atoi(argv[2]));
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
