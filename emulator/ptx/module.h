// The code and variables of one PTX text. Parsing binds every instruction of every kernel: what the
// interpreter does not know fails here, never at run time.
//
// Owner: whoever loads the code (one per device, since variables are per device). Immutable after
// Parse, except the variables' contents; usable from any thread.
#ifndef SWITCHYARD_EMULATOR_PTX_MODULE_H_
#define SWITCHYARD_EMULATOR_PTX_MODULE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/kernel.h"

namespace emu {

class Module {
 public:
  // A .global or .const variable; its memory lives as long as the module and is registered as
  // device memory.
  struct Variable {
    void* address = nullptr;
    size_t bytes = 0;
  };

  // Null on failure; *error then names line and text.
  static std::unique_ptr<Module> Parse(std::string_view ptx, std::string* error);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Null: no such name.
  const Kernel* FindKernel(std::string_view name) const;
  const Variable* FindVariable(std::string_view name) const;
  std::vector<std::string_view> KernelNames() const;

 private:
  struct State;
  explicit Module(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_MODULE_H_
