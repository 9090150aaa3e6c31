// The tidy test can fail: each rule is shown what it forbids, and what it must let pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tidy/include_rules.h"
#include "tests/tidy/rules.h"

namespace switchyard::tidy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Show(const std::vector<Finding>& findings) {
  std::vector<std::string> shown;
  for (const Finding& f : findings) shown.push_back(std::to_string(f.line) + ": " + f.message);
  return shown;
}

std::vector<std::string> Text(const std::string& path, const std::string& text) {
  return Show(CheckText(MakeSourceFile(path, text)));
}
std::vector<std::string> Cpp(const std::string& path, const std::string& text) {
  return Show(CheckCpp(MakeSourceFile(path, text)));
}
std::vector<std::string> Includes(const std::string& path, const std::string& text) {
  return Show(CheckIncludes(MakeSourceFile(path, text)));
}

constexpr char kGoodHeader[] =
    "// What this is.\n"
    "#ifndef SWITCHYARD_BASE_THING_H_\n"
    "#define SWITCHYARD_BASE_THING_H_\n"
    "\n"
    "namespace switchyard {\n"
    "}  // namespace switchyard\n"
    "\n"
    "#endif  // SWITCHYARD_BASE_THING_H_\n";

TEST(Text, BlanksTabsAndEnds) {
  EXPECT_THAT(Text("base/a.cc", "int a;\n"), IsEmpty());
  EXPECT_THAT(Text("base/a.cc", "int a;\n\tint b; \nint c;\r\n"),
              ElementsAre("2: a tab", "2: blanks at the end of the line", "3: a carriage return"));
  EXPECT_THAT(Text("base/a.cc", "int a;"), ElementsAre("1: the file does not end with a newline"));
  EXPECT_THAT(Text("base/a.cc", "int a;\n\n"), ElementsAre("2: an empty line at the end of the file"));
}

TEST(Text, LongLinesCountCharacters) {
  const std::string long_line(131, 'x');
  EXPECT_THAT(Text("base/a.cc", long_line + "\n"), ElementsAre("1: the line has 131 columns; 130 are allowed"));
  EXPECT_THAT(Text("base/a.cc", std::string(130, 'x') + "\n"), IsEmpty());
  std::string umlauts = "// ";
  for (int i = 0; i < 127; ++i) umlauts += "ä";
  EXPECT_THAT(Text("base/a.cc", umlauts + "\n"), IsEmpty());
  EXPECT_THAT(Text("README.md", long_line + "\n"), IsEmpty());
}

TEST(Text, UnfinishedWorkIsAWholeWord) {
  const std::string mark = "TO" "DO";
  EXPECT_THAT(Text("base/a.cc", "// " + mark + ": more\n"), ElementsAre("1: a mark of unfinished work: " + mark));
  EXPECT_THAT(Text("base/a.cc", "mkstemp(\"/tmp/a-XXXXXX\");\n"), IsEmpty());
}

TEST(Header, GuardIsNamedByThePath) {
  EXPECT_THAT(Cpp("base/thing.h", kGoodHeader), IsEmpty());
  EXPECT_THAT(Cpp("base/other.h", kGoodHeader), ElementsAre("2: the header guard must be SWITCHYARD_BASE_OTHER_H_"));
  EXPECT_THAT(Cpp("base/thing.h", "// What.\n#pragma once\nnamespace switchyard {}\n"),
              ElementsAre("2: the header guard must be SWITCHYARD_BASE_THING_H_"));
}

TEST(Header, BeginsWithABannerAndClosesItsGuard) {
  const std::string good = kGoodHeader;
  EXPECT_THAT(Cpp("base/thing.h", good.substr(good.find('\n') + 1)),
              ElementsAre("1: a header begins with a comment that says what the file is"));
  EXPECT_THAT(Cpp("base/thing.h", good.substr(0, good.rfind("#endif")) + "#endif\n"),
              ElementsAre("8: the last line must be: #endif  // SWITCHYARD_BASE_THING_H_"));
}

TEST(Cpp, FilesStaySmall) {
  std::string source = "namespace switchyard {\n";
  for (int i = 0; i < 600; ++i) source += "int a();\n";
  EXPECT_THAT(Cpp("base/a.cc", source), ElementsAre("601: the file has 601 lines; 600 are allowed"));
}

TEST(Cpp, EachFolderHasItsNamespace) {
  EXPECT_THAT(Cpp("coordinator/text/a.cc", "namespace switchyard::text {\n}\n"), IsEmpty());
  EXPECT_THAT(Cpp("coordinator/text/a.cc", "namespace switchyard::text::jinja {\n}\n"), IsEmpty());
  EXPECT_THAT(Cpp("coordinator/text/a.cc", "namespace switchyard::textile {\n}\n"),
              ElementsAre("1: this folder's namespace is switchyard::text"));
  EXPECT_THAT(Cpp("coordinator/text/a.cc", "int a;\n"), ElementsAre("1: nothing is in namespace switchyard::text"));
  EXPECT_THAT(Cpp("worker/main.cc", "int main() {}\n"), IsEmpty());
}

TEST(Cpp, LibrariesNeitherPrintNorThrow) {
  const std::string body = "namespace switchyard::core {\nvoid F() { std::cout << 1; }\nvoid G() { throw 1; }\n}\n";
  EXPECT_THAT(Cpp("coordinator/core/a.cc", body),
              ElementsAre("2: std::cout belongs to commands; libraries log or return text",
                          "3: no exceptions: return an absl::Status"));
  const std::string adapter = "namespace switchyard::worker {\nvoid F() { try { G(); } catch (...) {} }\n}\n";
  EXPECT_THAT(Cpp("worker/parallel/gloo_mesh.cc", adapter), IsEmpty());
  EXPECT_THAT(Cpp("worker/worker.cc", adapter), ElementsAre("2: only an adapter of a library may see exceptions"));
}

TEST(Cpp, CommentsAndLiteralsAreNoCode) {
  EXPECT_THAT(Cpp("base/a.cc",
                  "namespace switchyard {\n"
                  "// throw\n"
                  "/* throw\n   throw */ const char* a = \"throw \\\" throw\";\n"
                  "const char* b = R\"x(\" throw)\" throw)x\";\n"
                  "constexpr int c = 1'000; const char d = '\"'; const char* e = \"catch\";\n"
                  "}\n"),
              IsEmpty());
  EXPECT_THAT(Cpp("base/a.cc", "namespace switchyard {\nconst char* a = R\"(x)\"; int b = (throw 1, 2);\n}\n"),
              ElementsAre("2: no exceptions: return an absl::Status"));
}

TEST(Includes, ArrowsPointDown) {
  EXPECT_THAT(Includes("worker/layers/moe.cc",
                       "#include <vector>\n#include \"kernels/ops.h\"\n#include \"worker/parallel/collectives.h\"\n"),
              IsEmpty());
  EXPECT_THAT(Includes("base/status.cc", "#include \"proto/step.pb.h\"\n"),
              ElementsAre("1: base may not include \"proto/step.pb.h\""));
  EXPECT_THAT(Includes("worker/worker.cc", "\n#include \"coordinator/core/events.h\"\n"),
              ElementsAre("2: worker may not include \"coordinator/core/events.h\""));
  EXPECT_THAT(Includes("worker/weights/a.cc", "#include \"worker/kv/kv_store.h\"\n"),
              ElementsAre("1: worker/weights may not include \"worker/kv/kv_store.h\""));
}

TEST(Includes, SingleFilesMayBeOpenedToAFolder) {
  EXPECT_THAT(Includes("worker/weights/a.cc", "#include \"worker/parallel/parallel_context.h\"\n"), IsEmpty());
  EXPECT_THAT(Includes("worker/weights/a.cc", "#include \"worker/parallel/collectives.h\"\n"),
              ElementsAre("1: worker/weights may not include \"worker/parallel/collectives.h\""));
}

TEST(Includes, PathsBeginAtTheTop) {
  EXPECT_THAT(Includes("base/json.cc", "#include \"json.h\"\n"),
              ElementsAre("1: include \"json.h\" by its path from the top folder"));
}

TEST(Includes, TheCoreIsPureAndGrpcStaysAtTheEdges) {
  EXPECT_THAT(Includes("coordinator/core/kv/a.cc", "#include <mutex>\n#include \"base/file.h\"\n"),
              ElementsAre("1: coordinator/core is pure and may not include mutex",
                          "2: coordinator/core is pure and may not include base/file.h"));
  EXPECT_THAT(Includes("worker/exec/a.cc", "#include \"proto/step.pb.h\"\n#include \"proto/worker.grpc.pb.h\"\n"),
              ElementsAre("2: worker/exec may not include <proto/worker.grpc.pb.h>: gRPC stays at the edges"));
}

TEST(Includes, AFolderThatNobodyPlacedIsAFault) {
  EXPECT_THAT(Includes("worker/misc/a.cc", "\n"),
              ElementsAre("1: the folder stands in no row of tests/tidy/include_rules.cc"));
}

TEST(Listed, EverySourceIsBuilt) {
  const auto check = [](const std::string& list_path, const std::string& list, const std::string& source) {
    return Show(CheckListed({MakeSourceFile(list_path, list), MakeSourceFile(source, "int a;\n")}));
  };
  EXPECT_THAT(check("base/CMakeLists.txt", "sy_library(x SRCS a.cc b.cc)\n", "base/b.cc"), IsEmpty());
  EXPECT_THAT(check("tests/x/CMakeLists.txt", "set(A ../testing/b.cc)\n", "tests/testing/b.cc"), IsEmpty());
  EXPECT_THAT(check("tests/x/CMakeLists.txt", "set(A ${T}/b.cc)\n", "tests/testing/b.cc"), IsEmpty());
  EXPECT_THAT(check("cmake/a.cmake", "x(${CMAKE_SOURCE_DIR}/tests/b.cc)\n", "tests/b.cc"), IsEmpty());
  EXPECT_THAT(check("base/CMakeLists.txt", "sy_library(x SRCS a.cc)\n", "base/b.cc"),
              ElementsAre("1: no CMakeLists.txt names this file"));
  EXPECT_THAT(check("base/CMakeLists.txt", "sy_library(x SRCS b.cc)\n", "cli/b.cc"),
              ElementsAre("1: no CMakeLists.txt names this file"));
}

}  // namespace
}  // namespace switchyard::tidy
