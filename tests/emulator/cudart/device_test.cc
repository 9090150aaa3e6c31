// Devices, with SWITCHYARD_EMULATOR=devices=3 and CUDA_VISIBLE_DEVICES=2,0.
#include <cuda_profiler_api.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

TEST(DeviceTest, VisibleDevicesKeepTheirIdentity) {
  int count = 0;
  ASSERT_CUDA(cudaGetDeviceCount(&count));
  ASSERT_EQ(count, 2);
  cudaDeviceProp first, second;
  ASSERT_CUDA(cudaGetDeviceProperties(&first, 0));
  ASSERT_CUDA(cudaGetDeviceProperties(&second, 1));
  EXPECT_EQ(first.pciBusID - second.pciBusID, 2);
  EXPECT_NE(std::memcmp(&first.uuid, &second.uuid, sizeof first.uuid), 0);
  EXPECT_EQ(first.major * 10 + first.minor, 90);
  char bus_id[32];
  int ordinal = -1;
  ASSERT_CUDA(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, 1));
  ASSERT_CUDA(cudaDeviceGetByPCIBusId(&ordinal, bus_id));
  EXPECT_EQ(ordinal, 1);
  EXPECT_CUDA(cudaErrorInvalidDevice, cudaSetDevice(2));
}

TEST(DeviceTest, PropertiesAndAttributesAgree) {
  cudaDeviceProp p;
  ASSERT_CUDA(cudaGetDeviceProperties(&p, 0));
  const std::pair<cudaDeviceAttr, int> pairs[] = {
      {cudaDevAttrMultiProcessorCount, p.multiProcessorCount},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, static_cast<int>(p.sharedMemPerBlockOptin)},
      {cudaDevAttrMaxThreadsPerMultiProcessor, p.maxThreadsPerMultiProcessor},
      {cudaDevAttrL2CacheSize, p.l2CacheSize},
      {cudaDevAttrCooperativeLaunch, 1},
      {cudaDevAttrClusterLaunch, 1},
      {cudaDevAttrMaxTexture2DWidth, 0}};
  for (const auto& [attribute, expected] : pairs) {
    int value = -1;
    ASSERT_CUDA(cudaDeviceGetAttribute(&value, attribute, 0));
    EXPECT_EQ(value, expected) << attribute;
  }
  int value = 0;
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaDeviceGetAttribute(&value, static_cast<cudaDeviceAttr>(250), 0));
}

TEST(DeviceTest, TheCurrentDeviceIsTheThreads) {
  ASSERT_CUDA(cudaSetDevice(1));
  int device = -1;
  std::thread([&] { EXPECT_CUDA(cudaSuccess, cudaGetDevice(&device)); }).join();
  EXPECT_EQ(device, 0);
  ASSERT_CUDA(cudaGetDevice(&device));
  EXPECT_EQ(device, 1);
  ASSERT_CUDA(cudaSetDevice(0));
}

TEST(DeviceTest, CopiesAndEventsCrossDevices) {
  void* here = nullptr;
  void* there = nullptr;
  cudaStream_t stream_here = nullptr, stream_there = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_CUDA(cudaMalloc(&here, 16));
  ASSERT_CUDA(cudaStreamCreate(&stream_here));
  ASSERT_CUDA(cudaEventCreate(&event));
  ASSERT_CUDA(cudaSetDevice(1));
  ASSERT_CUDA(cudaMalloc(&there, 16));
  ASSERT_CUDA(cudaStreamCreate(&stream_there));
  EXPECT_CUDA(cudaErrorInvalidResourceHandle, cudaEventRecord(event, stream_there));
  ASSERT_CUDA(cudaMemsetAsync(here, 5, 16, stream_here));
  ASSERT_CUDA(cudaEventRecord(event, stream_here));
  ASSERT_CUDA(cudaStreamWaitEvent(stream_there, event, 0));
  ASSERT_CUDA(cudaMemcpyPeerAsync(there, 1, here, 0, 16, stream_there));
  unsigned char back = 0;
  ASSERT_CUDA(cudaMemcpyAsync(&back, there, 1, cudaMemcpyDeviceToHost, stream_there));
  EXPECT_EQ(back, 5);
  ASSERT_CUDA(cudaMemset(here, 6, 16));
  ASSERT_CUDA(cudaMemcpyPeer(there, 1, here, 0, 16));
  ASSERT_CUDA(cudaMemcpy(&back, there, 1, cudaMemcpyDeviceToHost));
  EXPECT_EQ(back, 6);
  int can = 0;
  ASSERT_CUDA(cudaDeviceCanAccessPeer(&can, 0, 1));
  EXPECT_EQ(can, 1);
  EXPECT_CUDA(cudaSuccess, cudaDeviceEnablePeerAccess(0, 0));
  EXPECT_CUDA(cudaErrorPeerAccessAlreadyEnabled, cudaDeviceEnablePeerAccess(0, 0));
  EXPECT_CUDA(cudaSuccess, cudaDeviceDisablePeerAccess(0));
  EXPECT_CUDA(cudaErrorPeerAccessNotEnabled, cudaDeviceDisablePeerAccess(0));
  for (cudaStream_t stream : {stream_here, stream_there}) ASSERT_CUDA(cudaStreamDestroy(stream));
  for (void* p : {here, there}) ASSERT_CUDA(cudaFree(p));
  ASSERT_CUDA(cudaSetDevice(0));
  cudaGetLastError();
}

TEST(DeviceTest, PairsOfDevicesHaveAttributes) {
  int value = -1;
  ASSERT_CUDA(cudaDeviceGetP2PAttribute(&value, cudaDevP2PAttrAccessSupported, 0, 1));
  EXPECT_EQ(value, 1);
  ASSERT_CUDA(cudaDeviceGetP2PAttribute(&value, cudaDevP2PAttrNativeAtomicSupported, 1, 0));
  EXPECT_EQ(value, 1);
  ASSERT_CUDA(cudaDeviceGetP2PAttribute(&value, cudaDevP2PAttrPerformanceRank, 0, 1));
  EXPECT_EQ(value, 0);
  EXPECT_CUDA(cudaErrorInvalidDevice,
              cudaDeviceGetP2PAttribute(&value, cudaDevP2PAttrAccessSupported, 0, 0));
  EXPECT_CUDA(cudaErrorInvalidDevice,
              cudaDeviceGetP2PAttribute(&value, cudaDevP2PAttrAccessSupported, 0, 2));
}

TEST(DeviceTest, VersionsLimitsAndFlags) {
  int runtime = 0, driver = 0, least = -9, greatest = -9;
  ASSERT_CUDA(cudaRuntimeGetVersion(&runtime));
  ASSERT_CUDA(cudaDriverGetVersion(&driver));
  EXPECT_EQ(runtime, CUDART_VERSION);
  EXPECT_GE(driver, runtime);
  ASSERT_CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  EXPECT_EQ(least, 0);
  EXPECT_EQ(greatest, -5);
  size_t bytes = 0;
  ASSERT_CUDA(cudaDeviceGetLimit(&bytes, cudaLimitPrintfFifoSize));
  EXPECT_EQ(bytes, size_t{1} << 20);
  ASSERT_CUDA(cudaDeviceSetLimit(cudaLimitPrintfFifoSize, 4096));
  ASSERT_CUDA(cudaDeviceGetLimit(&bytes, cudaLimitPrintfFifoSize));
  EXPECT_EQ(bytes, 4096u);
  EXPECT_CUDA(cudaErrorUnsupportedLimit, cudaDeviceSetLimit(static_cast<cudaLimit>(99), 1));
  EXPECT_CUDA(cudaErrorUnsupportedLimit, cudaDeviceGetLimit(&bytes, static_cast<cudaLimit>(99)));
  unsigned flags = 0;
  ASSERT_CUDA(cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync));
  ASSERT_CUDA(cudaGetDeviceFlags(&flags));
  EXPECT_EQ(flags & cudaDeviceScheduleMask, unsigned{cudaDeviceScheduleBlockingSync});
  EXPECT_CUDA(cudaErrorInvalidValue, cudaSetDeviceFlags(~0u));
  EXPECT_CUDA(cudaSuccess, cudaProfilerStart());
  EXPECT_CUDA(cudaSuccess, cudaProfilerStop());
  ASSERT_CUDA(cudaDeviceReset());
  ASSERT_CUDA(cudaDeviceGetLimit(&bytes, cudaLimitPrintfFifoSize));
  EXPECT_EQ(bytes, size_t{1} << 20) << "a reset device is as new";
  ASSERT_CUDA(cudaGetDeviceFlags(&flags));
  EXPECT_EQ(flags & cudaDeviceScheduleMask, unsigned{cudaDeviceScheduleAuto});
}

TEST(DeviceTest, AForkedChildHasNoCuda) {
  ASSERT_CUDA(cudaFree(nullptr));
  const pid_t child = fork();
  if (child == 0) {
    void* p = nullptr;
    _exit(cudaMalloc(&p, 1) == cudaErrorInitializationError ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(DeviceTest, TheDriversTensorMapsComeByName) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result;
  ASSERT_CUDA(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                               cudaEnableDefault, &result));
  EXPECT_EQ(result, cudaDriverEntryPointSuccess);
  EXPECT_NE(function, nullptr);
  ASSERT_CUDA(cudaGetDriverEntryPointByVersion("cuNoSuchThing", &function, 12000, cudaEnableDefault,
                                               &result));
  EXPECT_EQ(result, cudaDriverEntryPointSymbolNotFound);
  EXPECT_EQ(function, nullptr);
}

}  // namespace
}  // namespace emu
