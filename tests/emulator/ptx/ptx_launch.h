// A kernel as text, run on arrays of the test: what every test of an instruction family needs.
#ifndef SWITCHYARD_TESTS_EMULATOR_PTX_PTX_LAUNCH_H_
#define SWITCHYARD_TESTS_EMULATOR_PTX_PTX_LAUNCH_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "emulator/ptx/launch.h"
#include "emulator/ptx/module.h"
#include "emulator/ptx/options.h"

namespace emu {

inline std::string Header() { return ".version 9.0\n.target sm_90a\n.address_size 64\n"; }

// A module that must parse.
inline std::unique_ptr<Module> ParseOrDie(const std::string& ptx) {
  std::string error;
  std::unique_ptr<Module> module = Module::Parse(ptx, &error);
  EXPECT_NE(module, nullptr) << error << "\n" << ptx;
  return module;
}

// Parameters packed as the ABI does it: each at a multiple of its size.
class Params {
 public:
  template <class T>
  Params& Add(T value) {
    bytes_.resize((bytes_.size() + alignof(T) - 1) / alignof(T) * alignof(T));
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
    return *this;
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

inline LaunchResult RunKernel(const Module& module, const std::string& name, LaunchConfig config,
                              const Params& params, Options options = {}) {
  const Kernel* kernel = module.FindKernel(name);
  if (kernel == nullptr) return {false, "no kernel " + name};
  config.params = params.bytes();
  return Launch(module, *kernel, config, options, nullptr);
}

// Options for arrays that are not registered as device memory.
inline Options Unchecked() {
  Options options;
  options.memcheck = false;
  options.os_threads = 1;
  return options;
}

// One instruction over n threads: out[i] = instruction(in0[i], in1[i], in2[i]), every value a
// 64-bit cell. `body` reads %a, %b, %c (32 bits) or %la, %lb, %lc (64) and writes %d or %ld; %p
// and %q are predicates to play with, %h0 to %h7, %e and %le are spare.
inline std::vector<uint64_t> RunInstruction(const std::string& body,
                                            const std::vector<uint64_t>& in0,
                                            std::vector<uint64_t> in1 = {},
                                            std::vector<uint64_t> in2 = {}) {
  const size_t n = in0.size();
  in1.resize(n);
  in2.resize(n);
  const std::string ptx = Header() + R"(
.visible .entry k(.param .u64 o, .param .u64 i0, .param .u64 i1, .param .u64 i2, .param .u32 n) {
  .reg .pred %p, %q, %in; .reg .b16 %h<8>;
  .reg .b32 %a, %b, %c, %d, %e, %i, %n; .reg .b64 %la, %lb, %lc, %ld, %le, %o, %t, %s;
  mov.u32 %i, %tid.x; mov.u32 %e, %ctaid.x; mov.u32 %n, %ntid.x; mad.lo.u32 %i, %e, %n, %i;
  ld.param.u32 %n, [n]; setp.ge.u32 %in, %i, %n; @%in exit;
  mul.wide.u32 %t, %i, 8; mov.u32 %e, 0; mov.u64 %le, 0;
  ld.param.u64 %s, [i0]; add.u64 %s, %s, %t; ld.global.u64 %la, [%s]; cvt.u32.u64 %a, %la;
  ld.param.u64 %s, [i1]; add.u64 %s, %s, %t; ld.global.u64 %lb, [%s]; cvt.u32.u64 %b, %lb;
  ld.param.u64 %s, [i2]; add.u64 %s, %s, %t; ld.global.u64 %lc, [%s]; cvt.u32.u64 %c, %lc;
  mov.u32 %d, 0; mov.u64 %ld, 0;
  )" + body + R"(
  cvt.u64.u32 %t, %d; or.b64 %ld, %ld, %t;
  mul.wide.u32 %t, %i, 8; ld.param.u64 %s, [o]; add.u64 %s, %s, %t; st.global.u64 [%s], %ld;
  ret; })";
  const std::unique_ptr<Module> module = ParseOrDie(ptx);
  std::vector<uint64_t> out(n, ~uint64_t{0});
  if (module == nullptr) return out;
  Params params;
  params.Add(out.data()).Add(in0.data()).Add(in1.data()).Add(in2.data());
  params.Add(static_cast<uint32_t>(n));
  LaunchConfig config;
  config.block.x = 64;
  config.grid.x = static_cast<uint32_t>((n + 63) / 64);
  const LaunchResult result = RunKernel(*module, "k", config, params, Unchecked());
  EXPECT_TRUE(result.ok) << result.fault;
  return out;
}

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_PTX_PTX_LAUNCH_H_
