// What a kernel prints, and asserts that fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

std::string Variable(const std::string& name, const std::string& text) {
  std::string bytes;
  for (const char c : text) bytes += std::to_string(static_cast<unsigned char>(c)) + ", ";
  return ".global .b8 " + name + "[" + std::to_string(text.size() + 1) + "] = {" + bytes + "0};\n";
}

// printf(format, values...), each value stored as `stores` says; returns what was printed.
std::string Printed(const std::string& format, const std::string& stores, int32_t* length) {
  const auto module =
      ParseOrDie(Header() + Variable("format", format) + Variable("word", "abcdef") +
                 R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r; .reg .b64 %f, %v, %o, %w; .local .align 8 .b8 values[128];
  mov.u64 %w, word; cvta.global.u64 %w, %w;
  )" + stores + R"(
  mov.u64 %f, format; cvta.global.u64 %f, %f; mov.u64 %v, values; cvta.local.u64 %v, %v;
  { .param .b64 p0; .param .b64 p1; .param .b32 q;
    st.param.b64 [p0], %f; st.param.b64 [p1], %v; call.uni (q), vprintf, (p0, p1);
    ld.param.b32 %r, [q]; }
  ld.param.u64 %o, [out]; st.global.u32 [%o], %r; ret; })");
  if (module == nullptr) return "did not parse";
  Params params;
  params.Add(length);
  ::testing::internal::CaptureStdout();
  const LaunchResult result = RunKernel(*module, "k", {.block = {1}}, params, Unchecked());
  std::string text = ::testing::internal::GetCapturedStdout();
  EXPECT_TRUE(result.ok) << result.fault;
  return text;
}

TEST(Printf, ConvertsAsC) {
  struct Case {
    const char* format;
    const char* stores;
    const char* want;
  };
  for (const Case& c : {
           Case{"plain 100%%\n", "", "plain 100%\n"},
           Case{"%d %u %5x|%-5d|%05d",
                "st.local.s32 [values], -3; st.local.u32 [values+4], "
                "4000000000; st.local.u32 [values+8], 255; st.local.u32 "
                "[values+12], 7; st.local.u32 [values+16], 42;",
                "-3 4000000000    ff|7    |00042"},
           // An eight-byte value stands at a multiple of eight.
           Case{"%c%lld %hhd",
                "st.local.u32 [values], 65; st.local.s64 [values+8], -5000000000; "
                "st.local.u32 [values+16], 255;",
                "A-5000000000 -1"},
           Case{"%zu", "st.local.u64 [values], 6000000000;", "6000000000"},
           Case{"%.2f %8.3e %lf",
                "st.local.f64 [values], 0d4004000000000000; st.local.f64 "
                "[values+8], 0d4004000000000000; st.local.f64 [values+16], "
                "0d4004000000000000;",
                "2.50 2.500e+00 2.500000"},
           Case{"%s|%8s|%-8s|%.2s",
                "st.local.u64 [values], %w; st.local.u64 [values+8], %w; "
                "st.local.u64 [values+16], %w; st.local.u64 [values+24], %w;",
                "abcdef|  abcdef|abcdef  |ab"},
           Case{"%p", "st.local.u64 [values], 4660;", "0x1234"}, Case{"ends in %", "", "ends in "},
           Case{"%q%d", "st.local.u32 [values], 1;", "1"},  // no conversion: skipped
       }) {
    int32_t length = -1;
    EXPECT_EQ(Printed(c.format, c.stores, &length), c.want) << c.format;
    EXPECT_EQ(length, static_cast<int32_t>(std::string(c.want).size()));
  }
}

TEST(Printf, FieldsAreBounded) {
  int32_t length = 0;
  const std::string stores = "st.local.u32 [values], 1;";
  EXPECT_EQ(Printed("%2000000000d", stores, &length).size(), 500u);
  EXPECT_EQ(Printed("%.4000000000d", stores, &length).size(), 500u);
  EXPECT_EQ(Printed(std::string(1000, ' ') + "%" + std::string(1000, '0') + "9d", stores, &length),
            std::string(1000, ' ') + "000000001");
}

TEST(Printf, AFailedAssertNamesItsPlace) {
  const auto module = ParseOrDie(Header() + Variable("condition", "x > 0") +
                                 Variable("file", "a.cu") + Variable("function", "f()") + R"(
.visible .entry k() {
  .reg .b64 %a;
  { .param .b64 p0; .param .b64 p1; .param .b32 p2; .param .b64 p3; .param .b64 p4;
    mov.u64 %a, condition; cvta.global.u64 %a, %a; st.param.b64 [p0], %a;
    mov.u64 %a, file; cvta.global.u64 %a, %a; st.param.b64 [p1], %a; st.param.b32 [p2], 12;
    mov.u64 %a, function; cvta.global.u64 %a, %a; st.param.b64 [p3], %a; st.param.b64 [p4], 1;
    call.uni __assertfail, (p0, p1, p2, p3, p4); }
  ret; })");
  ASSERT_NE(module, nullptr);
  const LaunchResult result = RunKernel(*module, "k", {.block = {1}}, Params(), Unchecked());
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.fault, ::testing::HasSubstr("a.cu:12: f(): assertion `x > 0` failed"));
}

TEST(Printf, ArgumentsThatAreTooShortAreRefused) {
  std::string error;
  for (const char* call :
       {".param .b32 p0; .param .b64 p1; call vprintf, (p0, p1);",
        ".param .b64 p0; .param .b64 p1; .param .b8 q; call (q), vprintf, (p0, p1);",
        ".param .b64 p0; call vprintf, (p0);", "call __assertfail;"}) {
    EXPECT_EQ(Module::Parse(Header() + ".visible .entry k() { " + call + " ret; }", &error),
              nullptr)
        << call;
  }
}

}  // namespace
}  // namespace emu
