// Finding programs and libraries, and looking into programs before they run.
#include "emulator/emulate/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "emulator/emulate/libraries.h"
#include "emulator/emulate/program_file.h"

namespace emu {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() : folder_(fs::path(testing::TempDir()) / ("emulate." + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~ProgramTest() override { fs::remove_all(folder_); }

  fs::path Write(const std::string& name, bool executable) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << "x";
    if (executable) fs::permissions(folder_ / name, fs::perms::owner_all);
    return folder_ / name;
  }

  const fs::path folder_;
};

TEST_F(ProgramTest, IsFoundAsAShellFindsIt) {
  const fs::path tool = Write("bin/tool", true);
  const fs::path data = Write("bin/data", false);
  const std::string path = "/nowhere:" + (folder_ / "bin").string();
  std::string error;
  EXPECT_EQ(FindProgram("tool", path.c_str(), &error), tool.string());
  EXPECT_EQ(FindProgram(tool.string(), nullptr, &error), tool.string());
  EXPECT_EQ(FindProgram("data", path.c_str(), &error), "");
  EXPECT_EQ(error, "data is not found in PATH");
  EXPECT_EQ(FindProgram(data.string(), nullptr, &error), "");
  EXPECT_EQ(error, data.string() + " is not an executable file");
  EXPECT_EQ(FindProgram("./no/such", nullptr, &error), "");
  EXPECT_EQ(error, "./no/such does not exist");
}

TEST_F(ProgramTest, LibrariesAreBesideItOrInTheLibFolder) {
  std::vector<fs::path> folders;
  std::string error;
  EXPECT_FALSE(FindLibraries(folder_ / "bin", &folders, &error));
  EXPECT_THAT(error, HasSubstr("libcudart.so.13"));
  Write("lib/switchyard-emulator/libcudart.so.13", false);
  EXPECT_FALSE(FindLibraries(folder_ / "bin", &folders, &error));
  EXPECT_THAT(error, HasSubstr("libnccl.so.2"));
  Write("bin/libnccl.so.2", false);
  folders.clear();
  ASSERT_TRUE(FindLibraries(folder_ / "bin", &folders, &error)) << error;
  EXPECT_THAT(folders, ElementsAre(folder_ / "lib/switchyard-emulator", folder_ / "bin"));
}

TEST(LibraryPath, KeepsWhatWasThere) {
  EXPECT_EQ(LibraryPath({"/a", "/b"}, nullptr), "/a:/b");
  EXPECT_EQ(LibraryPath({"/a"}, ""), "/a");
  EXPECT_EQ(LibraryPath({"/a"}, "/c:/d"), "/a:/c:/d");
}

std::string ContentOf(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

TEST(ProgramFile, OfAnOrdinaryProgramCanRun) {
  const std::string bytes = ContentOf("/proc/self/exe");
  const ProgramFile file = ReadProgramFile(bytes);
  EXPECT_TRUE(file.is_elf);
  EXPECT_THAT(file.needed, Contains(std::string("libc.so.6")));
  EXPECT_FALSE(file.has_device_code);
}

TEST(ProgramFile, ThatIsCutOffAnywhereIsReadWithoutHarm) {
  const std::string bytes = ContentOf("/proc/self/exe");
  for (size_t size = 0; size < bytes.size(); size += size < 4096 ? 1 : 9973) {
    ReadProgramFile(bytes.substr(0, size));
  }
  EXPECT_FALSE(ReadProgramFile("#!/bin/sh\n").is_elf);
}

TEST(ProgramFile, IsRefusedWithTheRemedy) {
  ProgramFile shared = {.is_elf = true, .needed = {"libcudart.so.13"}, .has_device_code = true};
  EXPECT_EQ(WhyUnsupported(shared), "");
  shared.has_rpath = true;
  EXPECT_THAT(WhyUnsupported(shared), HasSubstr("-Wl,--enable-new-dtags"));
  const ProgramFile still = {.is_elf = true, .needed = {"libc.so.6"}, .has_device_code = true};
  EXPECT_THAT(WhyUnsupported(still), HasSubstr("nvcc -cudart shared"));
  const ProgramFile host_only = {.is_elf = true, .names_driver = true};
  EXPECT_THAT(WhyUnsupported(host_only), HasSubstr("nvcc -cudart shared"));
  const ProgramFile older = {.is_elf = true, .needed = {"libcudart.so.12"}};
  EXPECT_THAT(WhyUnsupported(older), HasSubstr("CUDA 13"));
  const ProgramFile driver = {.is_elf = true, .needed = {"libcuda.so.1", "libcudart.so.13"}};
  EXPECT_THAT(WhyUnsupported(driver), HasSubstr("driver"));
  const ProgramFile shell = {.is_elf = true, .needed = {"libc.so.6"}};
  EXPECT_EQ(WhyUnsupported(shell), "");
  EXPECT_EQ(WhyUnsupported({}), "");
}

}  // namespace
}  // namespace emu
