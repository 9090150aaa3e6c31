// The library of the CUDA backend is taken when it belongs to the program, and refused in a line
// when it does not.
#include "worker/cuda_module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace switchyard::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Refusal(const std::string& path) {
  const absl::Status status = OpenCudaModule(path).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  const std::string message(Message(status));
  EXPECT_THAT(message, AllOf(HasSubstr("no CUDA backend"), Not(HasSubstr("\n"))));
  return message;
}

TEST(CudaModule, OfAnotherBuildIsRefused) {
  EXPECT_THAT(Refusal(OTHER_BUILD),
              AllOf(HasSubstr(OTHER_BUILD), HasSubstr("another build (0123456789abcdef)"),
                    HasSubstr(kBuildStamp), HasSubstr("install the two together")));
}

TEST(CudaModule, WithoutAStampIsRefused) {
  EXPECT_THAT(Refusal(NO_BACKEND), HasSubstr("another build (without a stamp)"));
}

TEST(CudaModule, ThatIsNotThereIsNamed) {
  EXPECT_THAT(Refusal("/nowhere/switchyard-cuda.so"), HasSubstr("/nowhere/switchyard-cuda.so"));
}

TEST(CudaModule, AStampIsADigest) { EXPECT_EQ(std::string_view(kBuildStamp).size(), 16u); }

}  // namespace
}  // namespace switchyard::worker
