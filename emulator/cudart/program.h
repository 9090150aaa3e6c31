// The device code of this process: what nvcc's start-up code registers, the kernels and variables
// in it, and the module that each device loads from it. Code is unpacked and parsed when something
// of it is first used on a device; a failure is reported on standard error once, with the line of
// the PTX, and is the error of every later use.
//
// Owner: Runtime. Thread: under Runtime::mutex. Code is never unloaded before the process ends:
// kernels that are queued refer to it.
#ifndef SWITCHYARD_EMULATOR_CUDART_PROGRAM_H_
#define SWITCHYARD_EMULATOR_CUDART_PROGRAM_H_

#include <driver_types.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/cudart/cubin.h"
#include "emulator/ptx/module.h"

namespace emu {

struct Device;

// A kernel on one device. The addresses are stable.
struct LoadedKernel {
  const Module* module = nullptr;
  const Kernel* kernel = nullptr;
  CubinKernel resources;              // of the embedded cubin; without one, estimates
  size_t max_dynamic_shared = 0;      // cudaFuncAttributeMaxDynamicSharedMemorySize
  int carveout = -1;                  // cudaFuncAttributePreferredSharedMemoryCarveout
  bool non_portable_cluster = false;  // sizes up to 16 are allowed
  int cluster_scheduling = 0;         // a hint that is only kept
  unsigned cluster_x = 0, cluster_y = 0, cluster_z = 0;  // set at run time; 0: not
};

// One embedded container of device code.
struct Image {
  const void* container = nullptr;
  cudaError_t failure = cudaSuccess;  // of unpacking or parsing
  bool unpacked = false;
  std::string ptx;
  std::map<std::string, CubinKernel, std::less<>> cubin;
  std::map<const Device*, std::unique_ptr<Module>> modules;
};

// A kernel as the host knows it. cudaKernel_t and cudaFunction_t point to one.
struct Function {
  Image* image = nullptr;
  std::string name;            // mangled
  const void* host = nullptr;  // the host's stub; null: found by name in a library
  std::map<const Device*, LoadedKernel> loaded;
};

struct Symbol {
  Image* image = nullptr;
  std::string name;
  size_t bytes = 0;
  void** managed_pointer = nullptr;  // of a __managed__ variable: where its address must stand
};

class Program {
 public:
  Image* AddImage(const void* container);
  Function* AddFunction(Image* image, const void* host, std::string_view name);
  void AddSymbol(Image* image, const void* host, Symbol symbol);
  // The host must not use the image's stubs any more.
  void Forget(const Image* image);

  // By host stub, or a handle that Function's address was given out as. Null: neither.
  Function* FindFunction(const void* host_or_handle);
  const Symbol* FindSymbol(const void* host) const;
  std::vector<const Symbol*> SymbolsOf(const Image* image) const;

  // The kernel on `device`, loaded if need be.
  cudaError_t Load(Function& function, Device& device, LoadedKernel** kernel);
  cudaError_t LoadModule(Image& image, Device& device, const Module** module);

 private:
  static cudaError_t Unpack(Image& image);

  std::deque<Image> images_;
  std::deque<Function> functions_;
  std::unordered_map<const void*, Function*> by_host_;
  std::unordered_map<const void*, Function*> by_handle_;
  std::map<const void*, Symbol> symbols_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_PROGRAM_H_
