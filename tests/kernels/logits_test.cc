#include <gtest/gtest.h>

#include <deque>

#include "tests/kernels/logits_checks.h"
#include "tests/kernels/row_ops_fixture.h"

namespace switchyard::kernels {
namespace {

class LogitsTest : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  TensorView Keep(int64_t rows, int64_t columns, std::span<const float> values) {
    memory_.emplace_back(values.begin(), values.end());
    return TensorView(memory_.back().data(), DType::kF32, {rows, columns});
  }
  static std::vector<float> Read(const TensorView& view) {
    return {view.row<float>(0), view.row<float>(view.rows())};
  }

  std::unique_ptr<Ops> ops_ = MakeOps(GetParam());
  std::deque<std::vector<float>> memory_;
};

TEST_P(LogitsTest, AgreesWithTheReference) {
  for (const LogitsCase& shape : kLogitsCases) {
    SCOPED_TRACE(std::to_string(shape.rows) + " x " + std::to_string(shape.columns));
    LogitsChecks(
        *ops_, shape, [this](auto... args) { return Keep(args...); }, Read)
        .All();
  }
}

// Sampling may differ in no bit from machine to machine.
TEST_P(LogitsTest, GivesTheSameWeightsOnEveryInstructionSet) {
  const Tensor<float> logits = Random({2, 3001}, 11);
  const auto portable = MakeOps(cpu::Isa::kPortable);
  std::vector<LogitRow> rows;
  for (const float inverse_temperature : {1.0f, 0.37f, 2.9f}) {
    rows.push_back({.row = 1, .max = 5.0f, .inverse_temperature = inverse_temperature});
  }
  std::vector<LogitMass> here(rows.size()), there(rows.size());
  ops_->LogitMassOf({.logits = logits.view(), .rows = rows, .with_surprise = true, .masses = here});
  portable->LogitMassOf(
      {.logits = logits.view(), .rows = rows, .with_surprise = true, .masses = there});
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(here[i].weight, there[i].weight);
    EXPECT_EQ(here[i].surprise, there[i].surprise);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, LogitsTest, ::testing::ValuesIn(IsasOfThisMachine()),
                         [](const auto& info) { return NameOf(info.param); });

TEST(LogitsCheckDeathTest, NamesWhatDoesNotFit) {
  const auto ops = MakeOps(cpu::Isa::kPortable);
  const Tensor<float> logits = Random({2, 5}, 1);
  std::vector<LogitPeak> peaks(1);
  const std::vector<int32_t> rows = {2};
  EXPECT_DEATH(ops->LogitMax({.logits = logits.view(), .rows = rows, .peaks = peaks}),
               "LogitMax: row: expected 0 to 1, got 2");
  const std::vector<LogitEdit> edits = {{.row = 1, .column = 5}};
  EXPECT_DEATH(ops->EditLogits({.logits = logits.view(), .edits = edits}),
               "EditLogits: edits: column: expected 0 to 4, got 5");
}

}  // namespace
}  // namespace switchyard::kernels
