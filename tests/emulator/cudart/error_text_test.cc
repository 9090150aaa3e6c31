#include "emulator/cudart/error_text.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

namespace emu {
namespace {

// Every enumerator of cudaError in the toolkit's header, with its number.
std::vector<std::pair<std::string, int>> CodesOfTheHeader() {
  std::ifstream file(std::string(SWITCHYARD_CUDA_INCLUDE_DIR) + "/driver_types.h");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const size_t begin = all.find("enum __device_builtin__ cudaError\n");
  const std::string body = all.substr(begin, all.find("\n};", begin) - begin);
  std::vector<std::pair<std::string, int>> codes;
  const std::regex enumerator("(cuda[A-Za-z0-9]+)\\s*=\\s*([0-9]+)");
  for (std::sregex_iterator it(body.begin(), body.end(), enumerator), end; it != end; ++it) {
    codes.emplace_back((*it)[1], std::stoi((*it)[2]));
  }
  return codes;
}

TEST(ErrorTextTest, EveryCodeHasItsNameAndADescription) {
  const auto codes = CodesOfTheHeader();
  ASSERT_GT(codes.size(), 100u);
  for (const auto& [name, number] : codes) {
    const auto code = static_cast<cudaError_t>(number);
    EXPECT_EQ(ErrorName(code), name);
    EXPECT_STREQ(cudaGetErrorName(code), ErrorName(code));
    EXPECT_STREQ(cudaGetErrorString(code), ErrorDescription(code));
    EXPECT_STRNE(ErrorDescription(code), "unrecognized error code") << name;
  }
  EXPECT_STREQ(ErrorName(static_cast<cudaError_t>(12345)), "unrecognized error code");
}

}  // namespace
}  // namespace emu
