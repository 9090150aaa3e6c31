// For cuda_module_test: a CUDA backend of another build. Its entry must not be called.
#include <cstdlib>

extern "C" const char* SwitchyardCudaStamp() { return "0123456789abcdef"; }
extern "C" void SwitchyardMakeCudaBackend() { std::abort(); }
