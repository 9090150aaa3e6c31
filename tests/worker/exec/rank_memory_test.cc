// What the planner says a rank takes, held against what ranks have allocated when they are loaded:
// to the byte, on the backend of this binary's name.
#include "coordinator/core/plan/rank_memory.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/units.h"
#include "cli/local_engine.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "tests/worker/weights/checkpoint_files.h"

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
};
std::ostream& operator<<(std::ostream& out, const Case& setup) { return out << setup.name; }

class RankMemoryTest : public testing::TestWithParam<Case> {};

TEST_P(RankMemoryTest, IsWhatTheRankHasAllocated) {
  const Case& setup = GetParam();
  cli::LocalEngineOptions options{.model_path = kTinyR1,
                                  .data_parallel = setup.data_parallel,
                                  .tensor_parallel = setup.tensor_parallel,
                                  .compute = setup.compute,
                                  .max_batched_tokens = setup.max_batched_tokens,
                                  .max_running = setup.max_running,
                                  .num_kv_blocks = 96,
                                  .backend = Kind() == BackendKind::kCpu ? "cpu" : "cuda"};
  options.drafts.set_method(setup.drafts);
  options.drafts.set_max_tokens(setup.drafts == v1::DRAFT_METHOD_NONE ? 0 : 2);
  options.expanded_bytes = 8 * kMiB;
  const auto engine = LocalEngine::Create(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const v1::ShardPlan& plan = (*engine)->plan();
  EXPECT_GT(plan.kv().expanded_tokens(), 256);
  for (int rank = 0; rank < setup.data_parallel * setup.tensor_parallel; ++rank) {
    const Executor& held = (*engine)->executor(rank);
    const core::RankMemory planned = core::MemoryOfRank(plan, rank, {.backend = Kind()});
    EXPECT_EQ(planned.weights.Total() + planned.rope_table, held.weight_bytes()) << rank;
    EXPECT_EQ(planned.Cache(), held.kv_bytes()) << rank;
    EXPECT_EQ(planned.arena + planned.gather, held.activation_bytes()) << rank;
    EXPECT_EQ(planned.exchange, held.exchange_bytes()) << rank;
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
                         512}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::worker
