// Order within and between streams, in every mode (the environment says which).
#include <thread>

#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

struct Stream {
  explicit Stream(unsigned flags = cudaStreamNonBlocking) {
    EXPECT_CUDA(cudaSuccess, cudaStreamCreateWithFlags(&handle, flags));
  }
  ~Stream() { EXPECT_CUDA(cudaSuccess, cudaStreamDestroy(handle)); }
  cudaStream_t handle = nullptr;
};

struct Event {
  explicit Event(unsigned flags = 0) {
    EXPECT_CUDA(cudaSuccess, cudaEventCreateWithFlags(&handle, flags));
  }
  ~Event() { EXPECT_CUDA(cudaSuccess, cudaEventDestroy(handle)); }
  cudaEvent_t handle = nullptr;
};

TEST(StreamTest, WorkOfOneStreamRunsInItsOrder) {
  Stream stream;
  Journal journal;
  for (const char* name : {"a", "b", "c", "d"}) journal.Queue(stream.handle, name);
  ASSERT_CUDA(cudaStreamSynchronize(stream.handle));
  EXPECT_EQ(journal.names(), "abcd");
}

TEST(StreamTest, EventsOrderStreams) {
  Stream first, second;
  Event event;
  Journal journal;
  journal.Queue(first.handle, "1");
  ASSERT_CUDA(cudaEventRecord(event.handle, first.handle));
  ASSERT_CUDA(cudaStreamWaitEvent(second.handle, event.handle, 0));
  journal.Queue(second.handle, "2");
  ASSERT_CUDA(cudaEventRecord(event.handle, second.handle));
  ASSERT_CUDA(cudaStreamWaitEvent(first.handle, event.handle, 0));
  journal.Queue(first.handle, "3");
  ASSERT_CUDA(cudaStreamSynchronize(first.handle));
  EXPECT_EQ(journal.names(), "123");
}

// The legacy stream waits for blocking streams and they for it; non-blocking ones go their way.
TEST(StreamTest, LegacyStreamIsABarrierForBlockingStreams) {
  Stream blocking(cudaStreamDefault), free;
  Journal journal;
  Gate gate;
  ASSERT_CUDA(gate.Queue(free.handle));
  journal.Queue(blocking.handle, "1");
  journal.Queue(nullptr, "2");
  journal.Queue(blocking.handle, "3");
  journal.Queue(cudaStreamPerThread, "4");
  ASSERT_CUDA(cudaStreamSynchronize(blocking.handle));
  EXPECT_EQ(journal.names().substr(0, 2), "12");
  ASSERT_CUDA(cudaStreamSynchronize(cudaStreamPerThread));
  EXPECT_EQ(journal.names().size(), 4u);
  EXPECT_CUDA(cudaErrorNotReady, cudaStreamQuery(free.handle));
  gate.Open();
  ASSERT_CUDA(cudaDeviceSynchronize());
}

TEST(StreamTest, QueriesMakeProgressAndNeverWait) {
  Stream stream;
  Gate gate;
  Event event;
  ASSERT_CUDA(gate.Queue(stream.handle));
  ASSERT_CUDA(cudaEventRecord(event.handle, stream.handle));
  for (int i = 0; i < 3; ++i) {
    EXPECT_CUDA(cudaErrorNotReady, cudaStreamQuery(stream.handle));
    EXPECT_CUDA(cudaErrorNotReady, cudaEventQuery(event.handle));
  }
  EXPECT_CUDA(cudaErrorNotReady, cudaGetLastError());
  EXPECT_CUDA(cudaSuccess, cudaGetLastError());
  gate.Open();
  while (cudaEventQuery(event.handle) == cudaErrorNotReady) std::this_thread::yield();
  EXPECT_CUDA(cudaSuccess, cudaStreamQuery(stream.handle));
  cudaGetLastError();
}

TEST(StreamTest, TheLegacyStreamIsBusyWithBlockingStreams) {
  Stream blocking(cudaStreamDefault), free;
  Gate first, second;
  ASSERT_CUDA(first.Queue(free.handle));
  EXPECT_CUDA(cudaSuccess, cudaStreamQuery(nullptr));
  ASSERT_CUDA(second.Queue(blocking.handle));
  EXPECT_CUDA(cudaErrorNotReady, cudaStreamQuery(nullptr));
  first.Open();
  second.Open();
  ASSERT_CUDA(cudaDeviceSynchronize());
  EXPECT_CUDA(cudaSuccess, cudaStreamQuery(nullptr));
  cudaGetLastError();
}

// One thread waits for a stream whose work needs another stream's: as with two ranks in one thread.
TEST(StreamTest, BlockedWorkLetsOtherStreamsGoOn) {
  Stream waiting, opening;
  Gate gate;
  ASSERT_CUDA(gate.Queue(waiting.handle));
  ASSERT_CUDA(cudaLaunchHostFunc(
      opening.handle, [](void* g) { static_cast<Gate*>(g)->Open(); }, &gate));
  ASSERT_CUDA(cudaStreamSynchronize(waiting.handle));
  ASSERT_CUDA(cudaStreamSynchronize(opening.handle));
}

TEST(StreamTest, ThreadsWaitForEachOthersStreams) {
  constexpr int kThreads = 4;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Event>> events;
  for (int i = 0; i < kThreads; ++i) {
    streams.push_back(std::make_unique<Stream>());
    events.push_back(std::make_unique<Event>(cudaEventDisableTiming));
  }
  Journal journal;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int step = 0; step < 50; ++step) {
        journal.Queue(streams[i]->handle, ".");
        EXPECT_CUDA(cudaSuccess, cudaEventRecord(events[i]->handle, streams[i]->handle));
        EXPECT_CUDA(cudaSuccess,
                    cudaStreamWaitEvent(streams[i]->handle, events[(i + 1) % kThreads]->handle, 0));
        if (step % 10 != 9) continue;
        EXPECT_CUDA(cudaSuccess, cudaStreamSynchronize(streams[i]->handle));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_CUDA(cudaDeviceSynchronize());
  EXPECT_EQ(journal.names().size(), 50u * kThreads);
}

TEST(StreamTest, DestroyedStreamsFinishTheirWork) {
  Journal journal;
  {
    Stream stream;
    journal.Queue(stream.handle, "a");
  }
  ASSERT_CUDA(cudaDeviceSynchronize());
  EXPECT_EQ(journal.names(), "a");
}

TEST(StreamTest, EventsTellTheOrderOfTimes) {
  Stream stream;
  Event begin, end, untimed(cudaEventDisableTiming);
  float ms = -1;
  EXPECT_CUDA(cudaErrorInvalidResourceHandle, cudaEventElapsedTime(&ms, begin.handle, end.handle));
  ASSERT_CUDA(cudaEventRecord(begin.handle, stream.handle));
  ASSERT_CUDA(cudaEventRecord(end.handle, stream.handle));
  ASSERT_CUDA(cudaEventRecord(untimed.handle, stream.handle));
  ASSERT_CUDA(cudaEventSynchronize(end.handle));
  ASSERT_CUDA(cudaEventElapsedTime(&ms, begin.handle, end.handle));
  EXPECT_GE(ms, 0.0f);
  EXPECT_CUDA(cudaErrorInvalidResourceHandle,
              cudaEventElapsedTime(&ms, begin.handle, untimed.handle));
}

TEST(StreamTest, HostFunctionsMayNotCallCuda) {
  Stream stream;
  cudaError_t seen = cudaSuccess;
  ASSERT_CUDA(cudaLaunchHostFunc(
      stream.handle, [](void* out) { *static_cast<cudaError_t*>(out) = cudaDeviceSynchronize(); },
      &seen));
  ASSERT_CUDA(cudaStreamSynchronize(stream.handle));
  EXPECT_CUDA(cudaErrorNotPermitted, seen);
}

TEST(StreamTest, StreamsAnswerQuestions) {
  cudaStream_t stream = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, -3));
  unsigned flags = 0;
  int priority = 0, device = -1;
  unsigned long long id = 0, other = 0;
  ASSERT_CUDA(cudaStreamGetFlags(stream, &flags));
  ASSERT_CUDA(cudaStreamGetPriority(stream, &priority));
  ASSERT_CUDA(cudaStreamGetDevice(stream, &device));
  ASSERT_CUDA(cudaStreamGetId(stream, &id));
  ASSERT_CUDA(cudaStreamGetId(nullptr, &other));
  EXPECT_EQ(flags, unsigned{cudaStreamNonBlocking});
  EXPECT_EQ(priority, -3);
  EXPECT_EQ(device, 0);
  EXPECT_NE(id, other);
  cudaStreamAttrValue set = {}, got = {};
  set.accessPolicyWindow.num_bytes = 4096;
  ASSERT_CUDA(cudaStreamSetAttribute(stream, cudaLaunchAttributeAccessPolicyWindow, &set));
  ASSERT_CUDA(cudaStreamGetAttribute(stream, cudaLaunchAttributeAccessPolicyWindow, &got));
  EXPECT_EQ(got.accessPolicyWindow.num_bytes, 4096u);
  ASSERT_CUDA(cudaStreamGetAttribute(nullptr, cudaLaunchAttributeAccessPolicyWindow, &got));
  EXPECT_EQ(got.accessPolicyWindow.num_bytes, 0u) << "each stream has its own";
  set.priority = -99;
  ASSERT_CUDA(cudaStreamSetAttribute(stream, cudaLaunchAttributePriority, &set));
  ASSERT_CUDA(cudaStreamGetPriority(stream, &priority));
  EXPECT_EQ(priority, -5) << "brought into the range";
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaStreamGetAttribute(stream, cudaLaunchAttributeCooperative, &got));
  ASSERT_CUDA(cudaStreamDestroy(stream));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaStreamCreateWithPriority(&stream, 8, 0));
}

TEST(StreamTest, CallbacksComeInTheStreamsOrder) {
  Stream stream;
  Journal journal;
  journal.Queue(stream.handle, "a");
  ASSERT_CUDA(cudaStreamAddCallback(
      stream.handle,
      [](cudaStream_t, cudaError_t status, void* untyped) {
        EXPECT_EQ(status, cudaSuccess);
        static_cast<Journal*>(untyped)->Write("b");
      },
      &journal, 0));
  journal.Queue(stream.handle, "c");
  ASSERT_CUDA(cudaStreamSynchronize(stream.handle));
  EXPECT_EQ(journal.names(), "abc");
}

TEST(StreamTest, HandlesThatMeanNothingAreRefused) {
  int local = 0;
  auto nonsense = reinterpret_cast<cudaStream_t>(&local);
  EXPECT_CUDA(cudaErrorInvalidResourceHandle, cudaStreamSynchronize(nonsense));
  EXPECT_CUDA(cudaErrorInvalidResourceHandle,
              cudaEventSynchronize(reinterpret_cast<cudaEvent_t>(&local)));
  cudaStream_t stream = nullptr;
  ASSERT_CUDA(cudaStreamCreate(&stream));
  ASSERT_CUDA(cudaStreamDestroy(stream));
  EXPECT_CUDA(cudaErrorInvalidResourceHandle, cudaStreamDestroy(stream));
  cudaGetLastError();
}

}  // namespace
}  // namespace emu
