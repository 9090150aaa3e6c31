#include "tests/emulator/mutations/mutation_runs.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/emulator/mutations/mutation_launch.h"

namespace emu {

std::string RunSoftmax(const Module& module, const Options& options) {
  constexpr int kRows = 3;
  constexpr int kColumns = 300;
  Random random(1);
  DeviceArray<float> x(kRows * kColumns, "x"), y(kRows * kColumns, "y");
  for (size_t i = 0; i < x.size(); ++i) x[i] = SmallValue(random) * 8;
  const std::string fault =
      RunKernel(module, "Softmax", {.grid = {kRows}, .block = {128}},
                Params().Add(x.data()).Add(y.data()).Add(int32_t{kColumns}), options);
  if (!fault.empty()) return fault;
  std::vector<double> wanted(x.size());
  for (int row = 0; row < kRows; ++row) {
    double sum = 0;
    for (int i = 0; i < kColumns; ++i) sum += std::exp(double{x[row * kColumns + i]});
    for (int i = 0; i < kColumns; ++i) {
      wanted[row * kColumns + i] = std::exp(double{x[row * kColumns + i]}) / sum;
    }
  }
  return Compare(
      "y", [&](size_t i) { return y[i]; }, wanted, 1e-6);
}

std::string RunRmsNorm(const Module& module, const Options& options) {
  constexpr int kRows = 3;
  constexpr int kColumns = 300;
  Random random(2);
  DeviceArray<uint16_t> x(kRows * kColumns, "x"), weight(kColumns, "weight"),
      y(kRows * kColumns, "y");
  for (size_t i = 0; i < x.size(); ++i) x[i] = ToBf16(SmallValue(random));
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = ToBf16(SmallValue(random));
  const std::string fault = RunKernel(
      module, "RmsNorm", {.grid = {kRows}, .block = {128}},
      Params().Add(x.data()).Add(weight.data()).Add(y.data()).Add(int32_t{kColumns}), options);
  if (!fault.empty()) return fault;
  std::vector<double> wanted(x.size());
  for (int row = 0; row < kRows; ++row) {
    double sum = 0;
    for (int i = 0; i < kColumns; ++i) {
      sum += std::pow(double{FromBf16(x[row * kColumns + i])}, 2);
    }
    const double scale = 1 / std::sqrt(sum / kColumns + 1e-6);
    for (int i = 0; i < kColumns; ++i) {
      wanted[row * kColumns + i] = FromBf16(x[row * kColumns + i]) * scale * FromBf16(weight[i]);
    }
  }
  return Compare(
      "y", [&](size_t i) { return FromBf16(y[i]); }, wanted, 0.01);
}

std::string RunClusterSum(const Module& module, const Options& options) {
  constexpr int kRounds = 3;
  constexpr int kColumns = 5;  // per block
  constexpr int kRows = kRounds * 64;
  Random random(3);
  DeviceArray<float> x(kRows * 4 * kColumns, "x"), sums(kRows, "sums");
  for (size_t i = 0; i < x.size(); ++i) x[i] = SmallValue(random);
  const std::string fault = RunKernel(
      module, "ClusterSum", {.grid = {4}, .block = {64}},
      Params().Add(x.data()).Add(sums.data()).Add(int32_t{kColumns}).Add(int32_t{kRounds}),
      options);
  if (!fault.empty()) return fault;
  std::vector<double> wanted(kRows);
  for (size_t i = 0; i < x.size(); ++i) wanted[i / (4 * kColumns)] += x[i];
  return Compare(
      "sums", [&](size_t i) { return sums[i]; }, wanted, 1e-5);
}

std::string RunLastBlockSum(const Module& module, const Options& options) {
  constexpr int kBlocks = 6;
  constexpr int kRows = 4;  // per block
  Random random(4);
  DeviceArray<float> x(kBlocks * kRows * 64, "x"), parts(kBlocks * 64, "parts"), total(64, "total");
  DeviceArray<uint32_t> counter(1, "counter");
  for (size_t i = 0; i < x.size(); ++i) x[i] = SmallValue(random);
  counter.Fill(0);
  const std::string fault = RunKernel(module, "LastBlockSum", {.grid = {kBlocks}, .block = {64}},
                                      Params()
                                          .Add(x.data())
                                          .Add(parts.data())
                                          .Add(counter.data())
                                          .Add(total.data())
                                          .Add(int32_t{kRows}),
                                      options);
  if (!fault.empty()) return fault;
  if (counter[0] != 0) return "wrong result: the counter is left at " + std::to_string(counter[0]);
  std::vector<double> wanted(64);
  for (size_t i = 0; i < x.size(); ++i) wanted[i % 64] += x[i];
  return Compare(
      "total", [&](size_t i) { return total[i]; }, wanted, 1e-5);
}

std::string RunChainSum(const Module& module, const Options& options) {
  constexpr int kBlocks = 6;
  Random random(5);
  DeviceArray<float> x(kBlocks * 64, "x"), prefix(kBlocks * 64, "prefix");
  DeviceArray<int32_t> flags(kBlocks, "flags");
  for (size_t i = 0; i < x.size(); ++i) x[i] = SmallValue(random);
  flags.Fill(0);
  const std::string fault =
      RunKernel(module, "ChainSum", {.grid = {kBlocks}, .block = {64}},
                Params().Add(x.data()).Add(prefix.data()).Add(flags.data()), options);
  if (!fault.empty()) return fault;
  std::vector<double> wanted(x.size());
  for (size_t i = 0; i < x.size(); ++i) wanted[i] = x[i] + (i < 64 ? 0 : wanted[i - 64]);
  return Compare(
      "prefix", [&](size_t i) { return prefix[i]; }, wanted, 1e-5);
}

std::string RunReverseWarp(const Module& module, const Options& options) {
  constexpr int kRows = 3;
  Random random(6);
  DeviceArray<float> x(kRows * 32, "x"), y(kRows * 32, "y");
  for (size_t i = 0; i < x.size(); ++i) x[i] = SmallValue(random);
  const std::string fault = RunKernel(module, "ReverseWarp", {.grid = {kRows}, .block = {32}},
                                      Params().Add(x.data()).Add(y.data()), options);
  if (!fault.empty()) return fault;
  std::vector<double> wanted(x.size());
  for (size_t i = 0; i < x.size(); ++i) wanted[i] = x[i / 32 * 32 + 31 - i % 32] + 1;
  return Compare(
      "y", [&](size_t i) { return y[i]; }, wanted, 0);
}

std::string RunPassOn(const Module& module, const Options& options) {
  constexpr int kRounds = 6;
  Random random(7);
  DeviceArray<float> x(kRounds * 32, "x"), y(kRounds * 32, "y");
  for (size_t i = 0; i < x.size(); ++i) x[i] = SmallValue(random);
  const std::string fault = RunKernel(module, "PassOn", {.grid = {1}, .block = {64}},
                                      Params().Add(x.data()).Add(y.data()), options);
  if (!fault.empty()) return fault;
  std::vector<double> wanted(x.size());
  for (size_t i = 0; i < x.size(); ++i) wanted[i] = x[i / 32 * 32 + 31 - i % 32];
  return Compare(
      "y", [&](size_t i) { return y[i]; }, wanted, 0);
}

}  // namespace emu
