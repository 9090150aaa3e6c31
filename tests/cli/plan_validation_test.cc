// docs/plan-validation.md says what the bounds are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "bench/bounds/published.h"
#include "coordinator/core/plan/hf_config.h"

namespace switchyard::bench {
namespace {

constexpr int64_t kMaxBytes = 1 << 20;

v1::ModelSpec DeepseekV3() {
  return *core::ParseHfConfig(*ReadFile("bench/shapes/v3-671b.json", kMaxBytes));
}

TEST(PlanValidation, ThePageHasTheTableOfTheCommand) {
  const auto page = ReadFile("docs/plan-validation.md", kMaxBytes);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, testing::HasSubstr(PublishedTable(DeepseekV3())))
      << "make it anew: bench_bounds --published";
}

TEST(PlanValidation, NothingPublishedIsFasterThanItsBound) {
  for (const PublishedResult& result : PublishedResults()) {
    const core::StepSeconds seconds =
        core::SecondsOf(core::StepBound(DeepseekV3(), result.shape), result.device);
    EXPECT_LT(result.tokens_per_s, double(result.shape.rows) / seconds.total()) << result.system;
  }
}

}  // namespace
}  // namespace switchyard::bench
