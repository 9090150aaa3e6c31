// Correct kernels are right and silent in every mode; every planted fault is found by the race and
// random modes. What found what is written beside the PTX: mutation_findings.md, a table, and
// mutation_reports.txt, the reports. findings.md is that table as the compiler which it names gave
// it.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "tests/emulator/mutations/mutation_case.h"

namespace emu {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const Module& ModuleOf(const MutationCase& test) {
  static std::map<std::string, std::unique_ptr<Module>> modules;
  const std::string name = test.file + "." + std::to_string(test.mutation) + ".ptx";
  std::unique_ptr<Module>& module = modules[name];
  if (!module) {
    std::string error;
    module = Module::Parse(ReadFile(std::string(SWITCHYARD_MUTATION_PTX_DIR) + "/" + name), &error);
    if (!module) throw std::runtime_error(name + ": " + error);
  }
  return *module;
}

// "V13.0.88", from nvcc's comment at the head of its PTX.
std::string Compiler(const std::string& ptx) {
  const size_t begin = ptx.find(", V");
  return begin == std::string::npos ? "no version"
                                    : ptx.substr(begin + 2, ptx.find('\n', begin) - begin - 2);
}

// One word for a table: how a report begins.
std::string Kind(const std::string& report) {
  if (report.empty()) return "-";
  if (report.starts_with("wrong result")) return "wrong result";
  const size_t begin = report.find(": ");
  if (begin == std::string::npos) return report;
  const size_t end = report.find(": ", begin + 2);
  return report.substr(begin + 2, end == std::string::npos ? end : end - begin - 2);
}

TEST(Mutations, CorrectKernelsAreRightAndSilentInEveryMode) {
  for (const MutationCase& test : CorrectCases()) {
    for (const Mode& mode : Modes()) {
      EXPECT_EQ(test.run(ModuleOf(test), mode.options), "") << test.kernel << ", " << mode.name;
    }
  }
}

TEST(Mutations, CorrectKernelsAreRightWithEveryCheckAndInH100Numerics) {
  for (const MutationCase& test : CorrectCases()) {
    Options options = Modes().back().options;
    options.async = AsyncCompletion::kRandom;
    options.initcheck = true;
    options.numerics = Numerics::kH100;
    for (options.seed = 1; options.seed <= 5; ++options.seed) {
      EXPECT_EQ(test.run(ModuleOf(test), options), "") << test.kernel << ", seed " << options.seed;
    }
  }
}

TEST(Mutations, EveryPlantedFaultIsFoundByTheRaceAndRandomModes) {
  const auto modes = Modes();
  std::ostringstream table;
  table << "| kernel | planted fault |";
  for (const Mode& mode : modes) table << " " << mode.name << " |";
  table << "\n|---|---|";
  for (size_t i = 0; i < modes.size(); ++i) table << "---|";
  table << "\n";
  std::ostringstream reports;
  for (const MutationCase& test : FaultyCases()) {
    bool found = false;
    table << "| " << test.kernel << " | " << test.fault << " |";
    reports << "\n" << test.kernel << ": " << test.fault << "\n";
    for (const Mode& mode : modes) {
      const std::string report = test.run(ModuleOf(test), mode.options);
      table << " " << Kind(report) << " |";
      reports << "  [" << mode.name << "] " << (report.empty() ? "-" : report) << "\n";
      found = found || (mode.checks && !report.empty());
    }
    table << "\n";
    EXPECT_TRUE(found) << test.kernel << ": " << test.fault;
  }
  const std::string directory = SWITCHYARD_MUTATION_PTX_DIR;
  std::ofstream(directory + "/mutation_findings.md") << table.str();
  std::ofstream(directory + "/mutation_reports.txt") << reports.str();
  const std::string page = ReadFile(SWITCHYARD_MUTATION_FINDINGS);
  if (page.find(Compiler(ReadFile(directory + "/norm.0.ptx"))) == std::string::npos) return;
  EXPECT_EQ(page.substr(std::min(page.find("| kernel"), page.size())), table.str())
      << "findings.md is old: mutation_findings.md is what the modes say now";
}

TEST(Mutations, AReportComesAgainFromItsSeed) {
  for (const MutationCase& test : FaultyCases()) {
    const Options options = Modes().back().options;
    EXPECT_EQ(test.run(ModuleOf(test), options), test.run(ModuleOf(test), options)) << test.fault;
  }
}

}  // namespace
}  // namespace emu
