// What the build of kernels refuses to make (cmake/SwitchyardCuda.cmake), and what it makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

namespace switchyard {
namespace {

using ::testing::HasSubstr;

class CudaBuild : public ::testing::Test {
 protected:
  ~CudaBuild() override { std::filesystem::remove(object_); }

  // 0: the object was made.
  int Compile(const std::string& source, const std::string& flags = "") {
    const std::string command = SWITCHYARD_CUDA_COMPILE " " + flags + " -c -o " + object_ +
                                " " SWITCHYARD_SOURCE_DIR "/tests/kernels/cuda/" + source + " 2>&1";
    FILE* const pipe = popen(command.c_str(), "r");
    std::array<char, 4096> piece;
    text_.clear();
    while (const size_t count = fread(piece.data(), 1, piece.size(), pipe)) {
      text_.append(piece.data(), count);
    }
    return WEXITSTATUS(pclose(pipe));
  }

  const std::string object_ =
      ::testing::TempDir() + "cuda_build_" + std::to_string(getpid()) + ".o";
  std::string text_;
};

TEST_F(CudaBuild, MakesProductsThatRunOneBehindTheOther) {
  EXPECT_EQ(Compile("products_apart.cu"), 0) << text_;
  EXPECT_TRUE(std::filesystem::exists(object_));
}

TEST_F(CudaBuild, StopsAtProductsThatPtxasTakesApart) {
  EXPECT_NE(Compile("products_apart.cu", "-DSWITCHYARD_APART"), 0);
  EXPECT_THAT(text_, HasSubstr("wgmma.mma_async instructions are serialized"));
  EXPECT_THAT(text_, HasSubstr("error: ptxas takes warpgroup products apart"));
  EXPECT_FALSE(std::filesystem::exists(object_));
}

TEST_F(CudaBuild, StopsAtSpills) {
  EXPECT_NE(Compile("spills.cu"), 0);
  EXPECT_THAT(text_, HasSubstr("Registers are spilled to local memory"));
}

}  // namespace
}  // namespace switchyard
