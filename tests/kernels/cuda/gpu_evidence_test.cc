// docs/gpu-evidence.md says what ptxas gave each kernel: none may take more, none may be missing.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "base/file.h"
#include "base/units.h"

namespace switchyard {
namespace {

// Registers, stack bytes, static shared bytes.
using Resources = std::array<int, 3>;

// The rows "| `kernel` | 1 | 2 | 3 |".
std::map<std::string, Resources> ReadRows(const std::string& text) {
  std::map<std::string, Resources> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t end = line.rfind('`');
    if (!line.starts_with("| `") || end < 4) continue;
    Resources row;
    if (std::sscanf(line.c_str() + end, "` | %d | %d | %d |", &row[0], &row[1], &row[2]) == 3) {
      rows[line.substr(3, end - 3)] = row;
    }
  }
  return rows;
}

std::string Output(const std::string& command) {
  const std::unique_ptr<FILE, decltype(&pclose)> pipe(popen(command.c_str(), "r"), &pclose);
  std::string text;
  std::array<char, 4096> piece;
  while (const size_t count = fread(piece.data(), 1, piece.size(), pipe.get())) {
    text.append(piece.data(), count);
  }
  return text;
}

TEST(GpuEvidence, NoKernelTakesMoreThanThePageSays) {
  const auto recorded =
      ReadRows(*ReadFile(SWITCHYARD_SOURCE_DIR "/docs/gpu-evidence.md", int64_t{kMiB}));
  const auto built = ReadRows(Output(SWITCHYARD_KERNELS " " SWITCHYARD_CUDA_MODULE));
  ASSERT_GT(built.size(), 20u);
  for (const auto& [kernel, resources] : built) {
    const auto row = recorded.find(kernel);
    ASSERT_NE(row, recorded.end()) << kernel << " is not in the page: scripts/gpu_evidence.sh";
    for (size_t i = 0; i < resources.size(); ++i) {
      EXPECT_LE(resources[i], row->second[i]) << kernel << ", column " << i;
    }
  }
  for (const auto& [kernel, resources] : recorded) {
    EXPECT_TRUE(built.contains(kernel)) << kernel << " is in the page alone";
  }
}

}  // namespace
}  // namespace switchyard
