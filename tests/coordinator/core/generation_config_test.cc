#include "coordinator/core/plan/generation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/file.h"

namespace switchyard::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(GenerationConfig, ReadsTheBundledModel) {
  auto text = ReadFile(SWITCHYARD_SOURCE_DIR "/models/tiny-r1/generation_config.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  auto config = ParseGenerationConfig(*text);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->do_sample);
  EXPECT_EQ(config->temperature, 0.6);
  EXPECT_EQ(config->top_p, 0.95);
  EXPECT_EQ(config->top_k, 0);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(1));
}

TEST(GenerationConfig, AbsentAndNullFieldsKeepTheEnginesDefaults) {
  for (const char* text :
       {"{}", R"({"temperature": null, "top_p": null, "top_k": null, "eos_token_id": null})"}) {
    auto config = ParseGenerationConfig(text);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->temperature, 1);
    EXPECT_EQ(config->top_p, 1);
    EXPECT_EQ(config->top_k, 0);
    EXPECT_THAT(config->eos_token_ids, IsEmpty());
  }
}

TEST(GenerationConfig, SeveralTokensMayEndAnAnswer) {
  auto config = ParseGenerationConfig(
      R"({"do_sample": false, "top_k": 20, "min_p": 0.05, "eos_token_id": [151645, 151643]})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->do_sample);
  EXPECT_EQ(config->top_k, 20);
  EXPECT_EQ(config->min_p, 0.05);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(151645, 151643));
}

TEST(GenerationConfig, NamesEveryFault) {
  auto config = ParseGenerationConfig(
      R"({"temperature": -1, "top_p": 0, "top_k": 1.5, "eos_token_id": [1, -2], "do_sample": 0})");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(Message(config.status()));
  EXPECT_THAT(message, HasSubstr("generation_config.json: do_sample = 0: must be true or false; "));
  EXPECT_THAT(message, HasSubstr("temperature = -1: must be a number from 0 to 100"));
  EXPECT_THAT(message, HasSubstr("top_p = 0: must be a number above 0 and at most 1"));
  EXPECT_THAT(message, HasSubstr("top_k = 1.5: must be an integer from 0"));
  EXPECT_THAT(message, HasSubstr("eos_token_id = [1,-2]: must be a token id from 0"));
}

}  // namespace
}  // namespace switchyard::core
