// What the planner says a rank takes, held against what ranks have allocated when they are loaded:
// to the byte, on the backend of this binary's name.
#include "coordinator/core/plan/rank_memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/units.h"
#include "cli/local_engine.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/backend.h"

namespace switchyard::worker {
namespace {

using cli::LocalEngine;
using core::BackendKind;

BackendKind Kind() {
  const char* name = std::getenv("SWITCHYARD_TEST_BACKEND");
  return *core::ParseBackendKind(name == nullptr ? "cpu" : name);
}

struct Case {
  const char* name;
  int data_parallel, tensor_parallel;
  v1::ComputeMode compute;
  v1::DraftMethod drafts = v1::DRAFT_METHOD_NONE;
  int max_batched_tokens = 64;
  int max_running = 8;
  const char* model = "tiny-r1";
  v1::WeightForm weights = v1::WEIGHT_FORM_STORED;
};
std::ostream& operator<<(std::ostream& out, const Case& setup) { return out << setup.name; }

class RankMemoryTest : public testing::TestWithParam<Case> {};

TEST_P(RankMemoryTest, IsWhatTheRankHasAllocated) {
  const Case& setup = GetParam();
  cli::LocalEngineOptions options{.model_path = BundledModel(setup.model),
                                  .data_parallel = setup.data_parallel,
                                  .tensor_parallel = setup.tensor_parallel,
                                  .compute = setup.compute,
                                  .weights = setup.weights,
                                  .max_batched_tokens = setup.max_batched_tokens,
                                  .max_running = setup.max_running,
                                  .num_kv_blocks = 96,
                                  .backend = Kind() == BackendKind::kCpu ? "cpu" : "cuda"};
  options.drafts.set_method(setup.drafts);
  options.drafts.set_max_tokens(setup.drafts == v1::DRAFT_METHOD_NONE ? 0 : 2);
  options.expanded_bytes = 8 * kMiB;
  options.one_kv_kind = false;
  const auto engine = LocalEngine::Create(options);
  if (Kind() != BackendKind::kCpu && setup.weights != v1::WEIGHT_FORM_STORED) {
    EXPECT_TRUE(absl::IsUnimplemented(engine.status())) << engine.status();
    return;
  }
  ASSERT_TRUE(engine.ok()) << engine.status();
  const v1::ShardPlan& plan = (*engine)->plan();
  EXPECT_EQ(plan.kv().expanded_tokens() > 256, plan.model().has_mla());
  EXPECT_EQ(plan.kv().num_window_blocks() > 0, plan.model().gqa().windows_size() > 0);
  for (int rank = 0; rank < setup.data_parallel * setup.tensor_parallel; ++rank) {
    const Executor& held = (*engine)->executor(rank);
    const core::RankMemory planned = core::MemoryOfRank(plan, rank, {.backend = Kind()});
    EXPECT_EQ(planned.weights.Total() + planned.rope_table, held.weight_bytes()) << rank;
    EXPECT_EQ(planned.Cache(), held.kv_bytes()) << rank;
    EXPECT_EQ(planned.arena + planned.gather, held.activation_bytes()) << rank;
    EXPECT_EQ(planned.exchange, held.exchange_bytes()) << rank;
  }
}

// Slices whose borders fall inside panels, tiles and scale blocks.
TEST(PackedLinear, IsWhatTheBackendPacks) {
  const bool cpu = Kind() == BackendKind::kCpu;
  const auto backend = MakeBackend({.backend = cpu ? "cpu" : "cuda"});
  ASSERT_TRUE(backend.ok()) << backend.status();
  struct Shape {
    int64_t rows, cols, row_begin, col_begin, k_shards;
    bool gate_up = false;
    int64_t scale_rows = 128;
  };
  const Shape shapes[] = {{1, 1, 0, 0, 1},
                          {17, 130, 0, 0, 1},
                          {64, 128, 0, 0, 2},
                          {100, 192, 96, 64, 2},
                          {33, 384, 0, 96, 4},
                          {200, 96, 40, 160, 2},
                          {40, 256, 0, 0, 1, true},
                          {100, 72, 100, 0, 1, true},
                          {200, 96, 40, 160, 2, false, 1},
                          {100, 256, 50, 0, 1, true, 1},
                          {200, 96, 40, 160, 2, false, 1000}};
  const std::vector<float> values(1 << 20, 1.0f);
  for (const v1::DataType stored :
       {v1::DATA_TYPE_F8_E4M3, v1::DATA_TYPE_BF16, v1::DATA_TYPE_F16, v1::DATA_TYPE_F32}) {
    const kernels::DType dtype = stored == v1::DATA_TYPE_F8_E4M3 ? kernels::DType::kF8E4M3
                                 : stored == v1::DATA_TYPE_BF16  ? kernels::DType::kBf16
                                 : stored == v1::DATA_TYPE_F16   ? kernels::DType::kF16
                                                                 : kernels::DType::kF32;
    for (const auto& [mode, compute] :
         {std::pair(v1::COMPUTE_MODE_BF16, kernels::Compute::kBf16),
          std::pair(v1::COMPUTE_MODE_F32, kernels::Compute::kF32),
          std::pair(v1::COMPUTE_MODE_W8A8, kernels::Compute::kW8A8)}) {
      for (const Shape& shape : shapes) {
        kernels::LinearSource source{
            .name = "w",
            .weight = kernels::TensorView(values.data(), dtype, {shape.rows, shape.cols}),
            .block_rows = shape.scale_rows,
            .row_offset = shape.row_begin,
            .col_offset = shape.col_begin,
            .k_shards = shape.k_shards,
            .compute = compute};
        if (dtype == kernels::DType::kF8E4M3) {
          source.scales =
              kernels::TensorView(values.data(), kernels::DType::kF32,
                                  {CeilDiv(shape.row_begin + shape.rows, shape.scale_rows),
                                   CeilDiv(shape.col_begin + shape.cols, 128)});
        }
        kernels::Ops& ops = (*backend)->ops();
        const auto packed = shape.gate_up ? ops.PackGateUp(source, source) : ops.Pack(source);
        const int64_t planned = core::PackedBytes(Kind(), {.rows = shape.rows,
                                                           .cols = shape.cols,
                                                           .row_begin = shape.row_begin,
                                                           .col_begin = shape.col_begin,
                                                           .k_shards = shape.k_shards,
                                                           .stored = stored,
                                                           .scale_rows = shape.scale_rows,
                                                           .compute = mode,
                                                           .gate_up = shape.gate_up});
        const std::string what = fmt::format("{} x {}, {}, mode {}", shape.rows, shape.cols,
                                             kernels::Name(dtype), static_cast<int>(mode));
        // CPUs pad columns to what their widest instructions take at once.
        if (cpu && shape.cols % 4 != 0) {
          EXPECT_GE(planned, packed->num_bytes()) << what;
          EXPECT_LE(planned, 4 * packed->num_bytes()) << what;
        } else {
          EXPECT_EQ(planned, packed->num_bytes()) << what;
        }
      }
    }
  }
}

// Codes in groups of every width, and slices and shards that cut them.
TEST(PackedLinear, CodesOf4BitsAreWhatTheBackendPacks) {
  const bool cpu = Kind() == BackendKind::kCpu;
  const auto backend = MakeBackend({.backend = cpu ? "cpu" : "cuda"});
  ASSERT_TRUE(backend.ok()) << backend.status();
  struct Shape {
    int64_t rows, cols, group_columns, col_begin = 0, k_shards = 1;
    bool gate_up = false, mxfp4 = false;
  };
  const Shape shapes[] = {{70, 512, 128},
                          {70, 512, 512, 0, 2, true},
                          {70, 192, 32, 0, 2},
                          {70, 96, 64, 32},
                          {70, 96, 64, 16},
                          {70, 256, 16},
                          {70, 256, 32, 0, 1, false, true},
                          {70, 96, 32, 0, 1, true, true},
                          {70, 64, 32, 0, 4, false, true}};
  const std::vector<std::byte> codes(1 << 16);
  const std::vector<float> scales(1 << 16, 1.0f);
  for (const Shape& shape : shapes) {
    const int64_t groups = CeilDiv(shape.col_begin + shape.cols, shape.group_columns);
    kernels::LinearSource source{
        .name = "w",
        .weight = kernels::TensorView(codes.data(),
                                      shape.mxfp4 ? kernels::DType::kF4E2M1 : kernels::DType::kU4,
                                      {shape.rows, shape.cols}),
        .scales = kernels::TensorView(scales.data(), kernels::DType::kF32, {shape.rows, groups}),
        .block_rows = 1,
        .block_cols = shape.group_columns,
        .col_offset = shape.col_begin,
        .k_shards = shape.k_shards};
    for (const auto& [mode, compute] : {std::pair(v1::COMPUTE_MODE_BF16, kernels::Compute::kBf16),
                                        std::pair(v1::COMPUTE_MODE_F32, kernels::Compute::kF32)}) {
      source.compute = compute;
      kernels::Ops& ops = (*backend)->ops();
      const auto packed = shape.gate_up ? ops.PackGateUp(source, source) : ops.Pack(source);
      // As plans say it: CPUs widen what is not quantised while it is loaded.
      const bool kept = !cpu && !shape.mxfp4;
      EXPECT_EQ(
          core::PackedBytes(Kind(), {.rows = shape.rows,
                                     .cols = shape.cols,
                                     .col_begin = shape.col_begin,
                                     .k_shards = shape.k_shards,
                                     .stored = shape.mxfp4 ? v1::DATA_TYPE_BF16 : v1::DATA_TYPE_F32,
                                     .bits = kept ? 4 : 0,
                                     .group_columns = shape.group_columns,
                                     .mxfp4 = shape.mxfp4,
                                     .compute = mode,
                                     .gate_up = shape.gate_up}),
          packed->num_bytes())
          << shape.cols << " in groups of " << shape.group_columns << ", mode "
          << static_cast<int>(mode);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, RankMemoryTest,
    testing::Values(Case{"Bf16Alone", 1, 1, v1::COMPUTE_MODE_BF16},
                    Case{"F32Alone", 1, 1, v1::COMPUTE_MODE_F32},
                    Case{"W8a8Alone", 1, 1, v1::COMPUTE_MODE_W8A8, v1::DRAFT_METHOD_MTP},
                    Case{"W8a8Tensor4", 1, 4, v1::COMPUTE_MODE_W8A8},
                    Case{"Bf16Tensor2Data2", 2, 2, v1::COMPUTE_MODE_BF16, v1::DRAFT_METHOD_NGRAM},
                    Case{"W8a8Data3", 3, 1, v1::COMPUTE_MODE_W8A8},
                    Case{"Bf16Data4Large", 4, 1, v1::COMPUTE_MODE_BF16, v1::DRAFT_METHOD_MTP, 1024,
                         512},
                    Case{.name = "GroupedQueriesSplit",
                         .data_parallel = 2,
                         .tensor_parallel = 2,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-qwen2"},
                    Case{.name = "WindowsApart",
                         .data_parallel = 1,
                         .tensor_parallel = 2,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-gemma3"},
                    Case{.name = "FourBits",
                         .data_parallel = 1,
                         .tensor_parallel = 2,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-qwen2-awq"},
                    Case{.name = "FourBitsKept",
                         .data_parallel = 1,
                         .tensor_parallel = 4,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-qwen2-awq",
                         .weights = v1::WEIGHT_FORM_Q4},
                    Case{.name = "QuantisedTo8",
                         .data_parallel = 1,
                         .tensor_parallel = 2,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .drafts = v1::DRAFT_METHOD_MTP,
                         .weights = v1::WEIGHT_FORM_Q8},
                    Case{.name = "QuantisedTo4WithExperts",
                         .data_parallel = 2,
                         .tensor_parallel = 1,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-qwen3-moe",
                         .weights = v1::WEIGHT_FORM_Q4},
                    Case{.name = "GroupedQueriesShared",
                         .data_parallel = 1,
                         .tensor_parallel = 4,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-llama"},
                    Case{.name = "GroupedQueriesWithExperts",
                         .data_parallel = 2,
                         .tensor_parallel = 1,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-qwen3-moe"},
                    Case{.name = "WindowsOfTheirOwnRope",
                         .data_parallel = 1,
                         .tensor_parallel = 2,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-gemma3"},
                    Case{.name = "FusedExperts",
                         .data_parallel = 2,
                         .tensor_parallel = 2,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-gpt-oss"},
                    Case{.name = "FusedExpertsBesideQuantised",
                         .data_parallel = 1,
                         .tensor_parallel = 1,
                         .compute = v1::COMPUTE_MODE_BF16,
                         .model = "tiny-gpt-oss",
                         .weights = v1::WEIGHT_FORM_Q4}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::worker
