// Which space a generic address lies in.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

// The address of each kind in %rd1; a cluster of two blocks.
constexpr struct {
  const char* name;
  const char* address;
  const char* spaces;  // where it is, of those below
} kAddresses[] = {
    {"own shared", "mov.u64 %rd1, s; cvta.shared.u64 %rd1, %rd1;",
     "shared shared::cta shared::cluster"},
    {"the other block's shared",
     "mov.u64 %rd1, s; cvta.shared.u64 %rd1, %rd1; xor.b32 %r2, %r1, 1; mapa.u64 %rd1, %rd1, %r2;",
     "shared::cluster"},
    {"its own, mapped", "mov.u64 %rd1, s; cvta.shared.u64 %rd1, %rd1; mapa.u64 %rd1, %rd1, %r1;",
     "shared shared::cta shared::cluster"},
    {"local", "mov.u64 %rd1, l; cvta.local.u64 %rd1, %rd1;", "local"},
    {"global", "mov.u64 %rd1, %rd0;", "global"},
    {"variable", "mov.u64 %rd1, v; cvta.global.u64 %rd1, %rd1;", "global"},
    {"parameter", "mov.b64 %rd1, out; cvta.param.u64 %rd1, %rd1;", "param param::entry"},
};
constexpr const char* kSpaces[] = {"shared", "shared::cta", "shared::cluster", "local",
                                   "global", "param",       "param::entry",    "const"};

bool Names(const std::string& list, const std::string& space) {
  return (" " + list + " ").find(" " + space + " ") != std::string::npos;
}

TEST(Spaces, AnAddressIsWhereItPoints) {
  for (const auto& row : kAddresses) {
    std::string tests;
    for (const char* space : kSpaces) {
      tests += std::string("isspacep.") + space +
               " %p, %rd1; selp.u32 %r3, 1, 0, %p; shl.b32 %r4, %r4, 1; or.b32 %r4, %r4, %r3;\n";
    }
    const auto module = ParseOrDie(Header() + R"(
.global .b32 v;
.visible .entry k(.param .u64 out) .reqnctapercluster 2, 1, 1 {
  .reg .pred %p; .reg .b32 %r<5>; .reg .b64 %rd<3>; .shared .align 8 .b8 s[8]; .local .align 8 .b8 l[8];
  ld.param.u64 %rd0, [out]; mov.u32 %r1, %cluster_ctarank; mov.u32 %r4, 0;
  )" + row.address + tests + R"(
  mul.wide.u32 %rd2, %r1, 4; add.u64 %rd2, %rd2, %rd0; st.global.u32 [%rd2], %r4; ret; })");
    ASSERT_NE(module, nullptr);
    std::vector<uint32_t> out(2);
    Params params;
    params.Add(out.data());
    const LaunchResult result =
        RunKernel(*module, "k", {.grid = {2}, .block = {1}}, params, Unchecked());
    ASSERT_TRUE(result.ok) << result.fault;
    for (const uint32_t bits : out) {
      for (size_t i = 0; i < std::size(kSpaces); ++i) {
        EXPECT_EQ(bits >> (std::size(kSpaces) - 1 - i) & 1, Names(row.spaces, kSpaces[i]))
            << row.name << " in " << kSpaces[i];
      }
    }
  }
}

}  // namespace
}  // namespace emu
