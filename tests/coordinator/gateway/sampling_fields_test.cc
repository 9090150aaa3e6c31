#include "coordinator/gateway/sampling_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/gateway/error_map.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using ::testing::ElementsAre;

absl::StatusOr<SamplingFields> Read(std::string_view body) {
  SamplingFields fields;
  SY_RETURN_IF_ERROR(ReadSampling(*ParseJson(body), &fields));
  return fields;
}

absl::StatusOr<v1::SamplingParams> Make(std::string_view body) {
  SY_ASSIGN_OR_RETURN(const SamplingFields fields, Read(body));
  return MakeSampling(TinyModel(), fields);
}

// The field that a request is refused for.
std::string ParamOf(std::string_view body) {
  const absl::Status status = Make(body).status();
  if (status.ok()) return "OK";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return ErrorObject(status)["error"]["param"].get<std::string>();
}

TEST(SamplingFields, UnsetFieldsAreTheModelsDefaults) {
  const v1::SamplingParams params = *Make("{}");
  EXPECT_EQ(params.temperature(), 0.6f);
  EXPECT_EQ(params.top_p(), 0.95f);
  EXPECT_EQ(params.top_k(), 0);
  EXPECT_EQ(params.repetition_penalty(), 1);
  EXPECT_EQ(params.min_p(), 0);
  EXPECT_NE(params.seed(), Make("{}")->seed()) << "chosen anew for each request";
  EXPECT_TRUE(params.ending_tokens().empty());
  ServedModel repeats = TinyModel();
  repeats.default_repetition_penalty = 1.05f;
  EXPECT_EQ(MakeSampling(repeats, {})->repetition_penalty(), 1.05f);
  repeats.default_min_p = 0.05f;
  EXPECT_EQ(MakeSampling(repeats, {})->min_p(), 0.05f);
  EXPECT_EQ(MakeSampling(repeats, {.min_p = 0.0f})->min_p(), 0);
}

TEST(SamplingFields, ASeedOfMinusOneIsNone) {
  EXPECT_FALSE(Read(R"({"seed":-1})")->seed.has_value());
  EXPECT_EQ(Read(R"({"seed":18446744073709551615})")->seed, ~uint64_t{0});
  EXPECT_EQ(Read(R"({"seed":0})")->seed, 0u);
}

// JSON Schema does not tell 3.0 from 3, and neither do all clients.
TEST(SamplingFields, IntegersMayHaveAPointAndZeros) {
  const SamplingFields fields =
      *Read(R"({"top_k":3.0,"seed":5e3,"min_tokens":-0.0,"stop_token_ids":[7.0,8]})");
  EXPECT_EQ(fields.top_k, 3);
  EXPECT_EQ(fields.seed, 5000u);
  EXPECT_EQ(fields.min_tokens, 0);
  EXPECT_THAT(fields.stop_token_ids, ElementsAre(7, 8));
  EXPECT_EQ(Read(R"({"seed":-3.0})")->seed, ~uint64_t{2});
  EXPECT_EQ(Read(R"({"top_k":-1.0})")->top_k, -1);
}

TEST(SamplingFields, BeforeMinTokensNoEndTokenComesIgnoredOrNot) {
  const char* body = R"({"min_tokens":3,"stop_token_ids":[9],"ignore_eos":true})";
  EXPECT_THAT(Make(body)->ending_tokens(), ElementsAre(9, kEos));
}

TEST(SamplingFields, ReachTheWorkers) {
  const v1::SamplingParams params = *Make(
      R"({"temperature":0.5,"top_p":0.9,"top_k":-1,"min_p":0.1,"typical_p":0.8,"seed":-2,
          "presence_penalty":-2,"frequency_penalty":1.5,"repetition_penalty":1.2,
          "logit_bias":{"5":-100,"7":2.5},"min_tokens":3,"stop_token_ids":[9]})");
  EXPECT_EQ(params.top_k(), 0);
  EXPECT_EQ(params.min_p(), 0.1f);
  EXPECT_EQ(params.typical_p(), 0.8f);
  EXPECT_EQ(params.seed(), ~uint64_t{1});
  EXPECT_EQ(params.presence_penalty(), -2);
  EXPECT_EQ(params.frequency_penalty(), 1.5f);
  EXPECT_EQ(params.repetition_penalty(), 1.2f);
  ASSERT_EQ(params.logit_bias_size(), 2);
  EXPECT_EQ(params.logit_bias(0).token(), 5);
  EXPECT_EQ(params.logit_bias(1).bias(), 2.5f);
  EXPECT_EQ(params.min_tokens(), 3);
  EXPECT_THAT(params.ending_tokens(), ElementsAre(9, kEos));
}

TEST(SamplingFields, EndTokensAreTheModelsAndTheRequests) {
  EXPECT_THAT(EndingTokens(TinyModel(), {}), ElementsAre(kEos));
  EXPECT_THAT(EndingTokens(TinyModel(), {.stop_token_ids = {4, 5}}), ElementsAre(4, 5, kEos));
  EXPECT_THAT(EndingTokens(TinyModel(), {.stop_token_ids = {4}, .ignore_eos = true}),
              ElementsAre(4));
}

TEST(SamplingFields, ABadWordIsForbiddenWithAndWithoutASpaceBefore) {
  for (const char* body : {R"({"bad_words":["Hello"]})", R"({"bad_words":[" Hello"]})",
                           R"({"bad_words":["\n  Hello"]})"}) {
    const v1::SamplingParams params = *Make(body);
    ASSERT_EQ(params.bad_words_size(), 2) << body;
    EXPECT_THAT(params.bad_words(0).tokens(), ::testing::ElementsAreArray(Tokens("Hello"))) << body;
    EXPECT_THAT(params.bad_words(1).tokens(), ::testing::ElementsAreArray(Tokens(" Hello")))
        << body;
  }
  const v1::SamplingParams blank = *Make(R"({"bad_words":["\n"]})");
  EXPECT_THAT(blank.bad_words(0).tokens(), ::testing::ElementsAreArray(Tokens("\n")));
  EXPECT_THAT(blank.bad_words(1).tokens(), ::testing::ElementsAreArray(Tokens(" \n")));
}

TEST(SamplingFields, RefusesByNameWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"temperature":-0.1})", "temperature"},
      {R"({"temperature":2.1})", "temperature"},
      {R"({"temperature":"hot"})", "temperature"},
      {R"({"top_p":0})", "top_p"},
      {R"({"top_p":1.1})", "top_p"},
      {R"({"top_k":-2})", "top_k"},
      {R"({"top_k":1.5})", "top_k"},
      {R"({"top_k":1e300})", "top_k"},
      {R"({"top_k":2147483648.0})", "top_k"},
      {R"({"seed":0.5})", "seed"},
      {R"({"seed":1e300})", "seed"},
      {R"({"seed":18446744073709551616.0})", "seed"},
      {R"({"stop_token_ids":[1.5]})", "stop_token_ids"},
      {R"({"min_p":1.5})", "min_p"},
      {R"({"typical_p":0})", "typical_p"},
      {R"({"presence_penalty":2.5})", "presence_penalty"},
      {R"({"frequency_penalty":-3})", "frequency_penalty"},
      {R"({"repetition_penalty":0})", "repetition_penalty"},
      {R"({"logit_bias":[1]})", "logit_bias"},
      {R"({"logit_bias":{"a":1}})", "logit_bias"},
      {R"({"logit_bias":{"5":"x"}})", "logit_bias"},
      {R"({"logit_bias":{"5":101}})", "logit_bias"},
      {R"({"logit_bias":{"4096":1}})", "logit_bias"},
      {R"({"logit_bias":{"-1":1}})", "logit_bias"},
      {R"({"min_tokens":-1})", "min_tokens"},
      {R"({"bad_words":"x"})", "bad_words"},
      {R"({"bad_words":[""]})", "bad_words"},
      {R"({"stop_token_ids":7})", "stop_token_ids"},
      {R"({"stop_token_ids":[4096]})", "stop_token_ids"},
      {R"({"ignore_eos":1})", "ignore_eos"},
  };
  for (const auto& [body, param] : cases) EXPECT_EQ(ParamOf(body), param) << body;
  EXPECT_EQ(ParamOf(R"({"temperature":null,"logit_bias":null,"bad_words":[]})"), "OK");
  std::string many = R"({"stop_token_ids":[1)";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_EQ(ParamOf(many + "]}"), "stop_token_ids");
}

}  // namespace
}  // namespace switchyard::gateway
