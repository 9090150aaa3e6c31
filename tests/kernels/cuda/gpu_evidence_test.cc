// docs/gpu-evidence.md says what each kernel takes of a GPU: none may take more, none may be
// missing. The page's run is made again, on the emulator; it takes seconds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/units.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;

// Of one table: what stands in the cells after a kernel's name, row by row.
using Table = std::multimap<std::string, std::vector<std::string>>;

std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream text(line);
  for (std::string cell; std::getline(text, cell, '|');) {
    const size_t begin = cell.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    cells.push_back(cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
  }
  return cells;
}

// The table whose header begins with "| kernel | " and `column`.
Table ReadTable(const std::string& text, const std::string& column) {
  Table table;
  std::istringstream lines(text);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| kernel | ")) inside = line.starts_with("| kernel | " + column);
    if (!line.starts_with("|")) inside = false;
    if (!inside || !line.starts_with("| `")) continue;
    std::vector<std::string> cells = CellsOf(line);
    const std::string kernel = cells.front();
    cells.erase(cells.begin());
    table.emplace(kernel, cells);
  }
  return table;
}

struct Output {
  int exit_code = -1;
  std::string text;
};

Output OutputOf(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  Output output;
  std::array<char, 4096> piece;
  while (const size_t count = fread(piece.data(), 1, piece.size(), pipe)) {
    output.text.append(piece.data(), count);
  }
  output.exit_code = WEXITSTATUS(pclose(pipe));
  return output;
}

constexpr char kOnEmulator[] = "LD_LIBRARY_PATH=" SWITCHYARD_EMULATOR_DIR " ";

// The tables of the kernels as they are built now, and what the bench printed.
class GpuEvidence : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string counters =
        ::testing::TempDir() + "gpu_evidence_" + std::to_string(getpid()) + ".json";
    bench_ = OutputOf(kOnEmulator + ("SWITCHYARD_EMULATOR=counters=1,counters_file=" + counters) +
                      " " SWITCHYARD_BENCH_KERNELS " --backend cuda --brief");
    built_ = OutputOf(SWITCHYARD_KERNELS " " SWITCHYARD_CUDA_MODULE " --counters " + counters);
    std::remove(counters.c_str());
    page_ = *ReadFile(SWITCHYARD_SOURCE_DIR "/docs/gpu-evidence.md", int64_t{kMiB});
    same_ptxas_ = page_.find("By nvcc " SWITCHYARD_NVCC_VERSION " ") != std::string::npos;
    if (same_ptxas_) return;
    std::puts("The page is of another nvcc than " SWITCHYARD_NVCC_VERSION
              ": registers, warps and issue slots are left out, all else is held.");
  }

  // Fails where one of the tables has a kernel that the other lacks.
  static void ExpectSameKernels(const Table& built, const Table& page, size_t at_least = 60) {
    EXPECT_GE(built.size(), at_least);
    for (const auto& [kernel, cells] : built) {
      EXPECT_TRUE(page.contains(kernel))
          << kernel << " is not in the page: scripts/gpu_evidence.sh";
    }
    for (const auto& [kernel, cells] : page) {
      EXPECT_TRUE(built.contains(kernel)) << kernel << " is in the page alone";
    }
  }

  static Output bench_, built_;
  static std::string page_;
  // What ptxas decides can be held against the page.
  static bool same_ptxas_;
};
Output GpuEvidence::bench_, GpuEvidence::built_;
std::string GpuEvidence::page_;
bool GpuEvidence::same_ptxas_ = false;

TEST_F(GpuEvidence, NoKernelTakesMoreOfPtxasThanThePageSays) {
  const Table built = ReadTable(built_.text, "registers"), page = ReadTable(page_, "registers");
  ExpectSameKernels(built, page);
  if (!same_ptxas_) return;
  for (const auto& [kernel, cells] : built) {
    const auto row = page.find(kernel);
    if (row == page.end()) continue;
    ASSERT_EQ(cells.size(), row->second.size()) << kernel;
    for (size_t i = 0; i < cells.size(); ++i) {
      EXPECT_LE(std::stoi(cells[i]), std::stoi(row->second[i])) << kernel << ", column " << i;
    }
  }
}

// The most dynamic shared memory of a kernel's rows, and the fewest warps.
struct Fit {
  int shared_bytes = 0;
  int warps = std::numeric_limits<int>::max();
};
Fit WorstFit(const Table& table, const std::string& kernel) {
  Fit worst;
  const auto [begin, end] = table.equal_range(kernel);
  for (auto row = begin; row != end; ++row) {
    worst.shared_bytes = std::max(worst.shared_bytes, std::stoi(row->second.at(1)));
    worst.warps = std::min(worst.warps, std::stoi(row->second.at(3)));
  }
  return worst;
}

TEST_F(GpuEvidence, AsManyWarpsOfAKernelFitAMultiprocessorAsThePageSays) {
  const Table built = ReadTable(built_.text, "threads"), page = ReadTable(page_, "threads");
  ExpectSameKernels(built, page);
  for (const auto& [kernel, cells] : built) {
    const Fit now = WorstFit(built, kernel), recorded = WorstFit(page, kernel);
    EXPECT_LE(now.shared_bytes, recorded.shared_bytes) << kernel;
    EXPECT_GT(now.warps, 0) << kernel << " does not fit";
    if (!same_ptxas_) continue;
    EXPECT_GE(now.warps, recorded.warps) << kernel;
  }
}

TEST_F(GpuEvidence, LoopsThatMultiplyTakeNoMoreIssueSlotsThanThePageSays) {
  const Output output = OutputOf(SWITCHYARD_ISSUE_SLOTS " " SWITCHYARD_CUDA_MODULE);
  EXPECT_EQ(output.exit_code, 0);
  const Table built = ReadTable(output.text, "product"), page = ReadTable(page_, "product");
  ExpectSameKernels(built, page, /*at_least=*/19);
  for (const auto& [kernel, cells] : built) {
    const auto row = page.find(kernel);
    if (row == page.end()) continue;
    ASSERT_EQ(cells.size(), 3u) << kernel;
    ASSERT_EQ(row->second.size(), 3u) << kernel;
    EXPECT_EQ(cells[1], row->second[1]) << kernel;
    if (!same_ptxas_) continue;
    EXPECT_EQ(cells[0], row->second[0]) << kernel;
    EXPECT_LE(std::stoi(cells[2]), std::stoi(row->second[2])) << kernel;
  }
}

double PercentOf(const std::string& cell) { return cell == "-" ? 100 : std::stod(cell); }

TEST_F(GpuEvidence, AccessesTakeNoMoreSectorsOrWavefrontsThanThePageSays) {
  const Table built = ReadTable(built_.text, "load sectors");
  const Table page = ReadTable(page_, "load sectors");
  ExpectSameKernels(built, page);
  for (const auto& [kernel, cells] : built) {
    const auto row = page.find(kernel);
    if (row == page.end()) continue;
    ASSERT_EQ(cells.size(), row->second.size()) << kernel;
    for (size_t i = 0; i < cells.size(); ++i) {
      EXPECT_LE(PercentOf(cells[i]), PercentOf(row->second[i])) << kernel << ", column " << i;
    }
  }
}

TEST_F(GpuEvidence, EveryKernelIsReachedByTheBench) {
  const Table counted = ReadTable(built_.text, "load sectors");
  for (const auto& [kernel, cells] : ReadTable(built_.text, "registers")) {
    EXPECT_TRUE(counted.contains(kernel)) << kernel << ": a case of bench_kernels is missing";
  }
}

// A page that was written anew does not make a worse kernel right.
TEST_F(GpuEvidence, AccessesAreCoalescedAndWithoutBankConflicts) {
  for (const auto& [kernel, cells] : ReadTable(built_.text, "load sectors")) {
    if (kernel == "`LogitGatherKernel`") continue;  // single logits, each in a sector of its own
    for (size_t i = 0; i < cells.size(); ++i) {
      EXPECT_EQ(PercentOf(cells[i]), 100) << kernel << ", column " << i;
    }
  }
}

// What is computed on the host alone is on the page word for word.
TEST_F(GpuEvidence, StagesAndBoundsAreThoseOfThisBuild) {
  for (const char* command : {SWITCHYARD_BENCH_KERNELS " --stages", SWITCHYARD_BENCH_BOUNDS}) {
    const Output output = OutputOf(kOnEmulator + std::string(command));
    EXPECT_EQ(output.exit_code, 0) << command;
    EXPECT_GT(output.text.size(), 1000u) << command;
    EXPECT_THAT(page_, HasSubstr(output.text)) << command << ": scripts/gpu_evidence.sh";
  }
}

TEST_F(GpuEvidence, TheBenchHasARowForEachOpAndSaysThatTheDeviceIsNoGpu) {
  EXPECT_EQ(bench_.exit_code, 0) << bench_.text;
  EXPECT_THAT(bench_.text, HasSubstr("say nothing about a GPU"));
  for (const char* op : {"Linear",          "GroupAmax",     "BatchedLinear",
                         "GateUp",          "GroupedMlp",    "Embedding",
                         "RmsNorm",         "Add",           "Rope",
                         "GatherRows",      "Cast",          "TreeSum",
                         "LatentWrite",     "LatentGather",  "PrefillAttention",
                         "DecodeAttention", "Gate",          "CombineRows",
                         "EditLogits",      "LogitMax",      "LogitHistogram",
                         "LogitMassOf",     "LogitPick",     "LogitCollect",
                         "LogitGather",     "RoutedMlp",     "PlaceTokens",
                         "RouteTokens",     "SelectRows",    "LargestPart",
                         "GqaWrite",        "GqaPrefill",    "GqaDecode",
                         "ReceiveTokens",   "DispatchTokens"}) {
    EXPECT_THAT(bench_.text, HasSubstr("\n" + std::string(op) + " "));
  }
}

TEST_F(GpuEvidence, TheBenchSaysInOneLineThatThereIsNoDevice) {
  const Output output = OutputOf(kOnEmulator + std::string("CUDA_VISIBLE_DEVICES= ") +
                                 SWITCHYARD_BENCH_KERNELS " --backend cuda 2>&1");
  EXPECT_EQ(output.exit_code, 3);
  EXPECT_THAT(output.text, HasSubstr("no CUDA device"));
  EXPECT_EQ(std::count(output.text.begin(), output.text.end(), '\n'), 1) << output.text;
}

}  // namespace
}  // namespace switchyard
