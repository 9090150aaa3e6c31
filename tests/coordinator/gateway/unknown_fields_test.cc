// Fields that nobody here knows are ignored, and the answer says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/reply_headers.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::HttpAnswer;
using switchyard::testing::Post;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kHeader[] = "x-switchyard-warning";
constexpr char kMessages[] = R"("messages":[{"role":"user","content":"Hi"}])";

TEST(RequestFields, TellWhatNobodyAskedFor) {
  const Json json = ParseJson(R"({"a":1,"b":"x","c":null,"d":[1]})").value();
  const RequestFields fields(json);
  EXPECT_THAT(fields.Unread(), ElementsAre("a", "b", "d")) << "null is the same as absent";
  std::string text;
  EXPECT_TRUE(ReadString(fields, "b", &text).ok());
  EXPECT_EQ(FindField(fields, "absent"), nullptr);
  EXPECT_THAT(fields.Unread(), ElementsAre("a", "d"));
  EXPECT_FALSE(ReadString(fields, "a", &text).ok()) << "asked for, though wrong";
  EXPECT_THAT(fields.Unread(), ElementsAre("d"));
}

class UnknownFieldsTest : public ApiFixture {
 protected:
  void SetUp() override {
    StartHttp();
    engine_->SetAnswer({.tokens = TokensThenEos("x")});
  }
  // The warning with a request whose body is a JSON object of `fields`.
  std::string WarningOf(std::string_view path, std::string_view fields) {
    const HttpAnswer answer = Ask(Post(path, fmt::format("{{{}}}", fields)));
    EXPECT_EQ(answer.status, 200) << answer.body;
    const auto found = answer.headers.find(kHeader);
    return found == answer.headers.end() ? "" : found->second;
  }
  std::string ChatWarning(std::string_view fields) {
    return WarningOf("/v1/chat/completions", fmt::format("{},{}", kMessages, fields));
  }
};

TEST_F(UnknownFieldsTest, AreNamedInTheHeadOfEveryKindOfAnswer) {
  const std::string warning = R"(field "foo" ignored)";
  EXPECT_EQ(ChatWarning(R"("foo":1)"), warning);
  EXPECT_EQ(ChatWarning(R"("stream":true,"foo":{"temperature":1})"), warning);
  EXPECT_EQ(WarningOf("/v1/completions", R"("prompt":"Hi","foo":[])"), warning);
  EXPECT_EQ(WarningOf("/tokenize", R"("prompt":"Hi","foo":"x")"), warning);
  EXPECT_EQ(WarningOf("/detokenize", R"("tokens":[5],"foo":"x")"), warning);
  EXPECT_EQ(WarningOf("/v1/messages", fmt::format(R"({},"max_tokens":4,"foo":1)", kMessages)),
            warning);
  EXPECT_EQ(WarningOf("/v1/messages/count_tokens", fmt::format(R"({},"foo":1)", kMessages)),
            warning);
  EXPECT_EQ(ChatWarning(R"("foo":1,"tempreature":0.5)"),
            R"(field "foo" ignored, field "tempreature" ignored)");
}

TEST_F(UnknownFieldsTest, KnownFieldsAreNotNamed) {
  EXPECT_EQ(ChatWarning(R"("foo":null)"), "");
  EXPECT_EQ(ChatWarning(
                R"("model":"tiny-r1","stream":true,"stream_options":{"include_usage":true},
                   "max_tokens":4,"max_completion_tokens":4,"temperature":1,"top_p":0.5,"top_k":3,
                   "min_p":0.1,"typical_p":0.9,"presence_penalty":1,"frequency_penalty":1,
                   "repetition_penalty":1.1,"logit_bias":{"5":1},"seed":1,"n":1,"stop":"q",
                   "stop_token_ids":[7],"bad_words":["w"],"min_tokens":1,"ignore_eos":false,
                   "logprobs":true,"top_logprobs":2,"prompt_logprobs":0,"priority":1,"timeout":5,
                   "cache_salt":"s","include_reasoning":true,"max_thinking_tokens":5,
                   "chat_template_kwargs":{},"tools":[],"tool_choice":"auto",
                   "parallel_tool_calls":true,"response_format":{"type":"text"},"suffix":"")"),
            "");
  EXPECT_EQ(WarningOf("/v1/completions", R"("prompt":"Hi","echo":true,"best_of":1,"logprobs":1)"),
            "");
}

// Each in the words of the request.
TEST_F(UnknownFieldsTest, WithinAFormTheyAreNamedByTheirPath) {
  constexpr const char* kWrapped =
      R"("response_format":{"type":"json_schema","strict":true,"foo":null,
          "json_schema":{"name":"n","description":"d","strict":false,"schema":{},"bar":1}})";
  const std::string wrapped = R"(field "response_format.strict" ignored, )"
                              R"(field "response_format.json_schema.bar" ignored)";
  EXPECT_EQ(ChatWarning(kWrapped), wrapped);
  EXPECT_EQ(WarningOf("/v1/completions", fmt::format(R"("prompt":"Hi",{})", kWrapped)), wrapped);
  EXPECT_EQ(WarningOf("/v1/responses", fmt::format(R"("input":"Hi",{})", kWrapped)), wrapped);
  EXPECT_EQ(ChatWarning(R"("foo":1,"response_format":{"type":"text","json_schema":{"name":5}})"),
            R"(field "foo" ignored, field "response_format.json_schema" ignored)");
  EXPECT_EQ(ChatWarning(R"("response_format":{"type":"json_object","schema":{},"name":"n"})"),
            R"(field "response_format.name" ignored)");
  constexpr const char* kFlat = R"({"type":"json_schema","name":"n","description":"d",
                                    "strict":true,"schema":{},"foo":1})";
  EXPECT_EQ(WarningOf("/v1/responses",
                      fmt::format(R"("input":"Hi","bar":1,"text":{{"format":{}}})", kFlat)),
            R"(field "bar" ignored, field "text.format.foo" ignored)");
  EXPECT_EQ(WarningOf("/v1/responses", R"("input":"Hi","text":{"format":{"type":"text","a":1}})"),
            R"(field "text.format.a" ignored)");
  const std::string message = fmt::format(R"({},"max_tokens":4,)", kMessages);
  EXPECT_EQ(WarningOf("/v1/messages", fmt::format(R"({}"output_format":{})", message, kFlat)),
            R"(field "output_format.foo" ignored)");
  EXPECT_EQ(WarningOf("/v1/messages",
                      fmt::format(R"({}"output_config":{{"format":{}}})", message, kFlat)),
            R"(field "output_config.format.foo" ignored)");
}

// What OpenAI keeps of a request is nothing to this server, and nothing to warn of.
TEST_F(UnknownFieldsTest, IdleFieldsAreNotNamedAnywhere) {
  const std::string idle = R"("user":"u","safety_identifier":"s","prompt_cache_key":"k",
      "prompt_cache_retention":"24h","service_tier":"auto","metadata":{"a":"b"})";
  EXPECT_EQ(ChatWarning(idle), "");
  EXPECT_EQ(WarningOf("/v1/completions", R"("prompt":"Hi",)" + idle), "");
  EXPECT_EQ(WarningOf("/v1/responses", R"("input":"Hi",)" + idle), "");
}

TEST_F(UnknownFieldsTest, SoAreKnownOnesWithinAFieldThatChangeNothing) {
  EXPECT_EQ(ChatWarning(R"("stream":true,"stream_options":{"continuous_usage_stats":true})"),
            R"(field "stream_options.continuous_usage_stats" ignored)");
  EXPECT_EQ(ChatWarning(R"("stream":true,"stream_options":{"continuous_usage_stats":false})"), "");
  EXPECT_EQ(WarningOf("/v1/responses", R"("input":"Hi","text":{"verbosity":"low"},
                                          "reasoning":{"effort":"low","summary":"auto"})"),
            R"(field "text.verbosity" ignored, field "reasoning.summary" ignored)");
  EXPECT_EQ(WarningOf("/v1/responses", R"("input":"Hi","text":{"verbosity":null},
                                          "reasoning":{"summary":null})"),
            "");
}

TEST_F(UnknownFieldsTest, AFieldOfAnotherEndpointIsUnknown) {
  EXPECT_EQ(ChatWarning(R"("echo":true)"), R"(field "echo" ignored)");
  EXPECT_EQ(WarningOf("/v1/completions", R"("prompt":"Hi","top_logprobs":3)"),
            R"(field "top_logprobs" ignored)");
}

TEST_F(UnknownFieldsTest, AWrongTypeOfAKnownFieldIsStillRefused) {
  const HttpAnswer answer =
      Ask(Post("/v1/completions", R"({"prompt":"Hi","foo":1,"temperature":"hot"})"));
  EXPECT_EQ(answer.status, 400);
}

TEST_F(UnknownFieldsTest, NamesCannotBreakOutOfTheHeaderNorFillIt) {
  EXPECT_EQ(ChatWarning(R"("a\r\nSet-Cookie: x\u0000\"":1)"),
            R"(field "a\r\nSet-Cookie: x\u0000\"" ignored)");
  EXPECT_EQ(ChatWarning(R"("é":1)"), R"(field "\u00e9" ignored)");
  EXPECT_EQ(ChatWarning(fmt::format(R"("{:x>5000}":1)", "")),
            fmt::format(R"(field "{:x>40}..." ignored)", ""));
  std::string many;
  for (int i = 0; i < 1000; ++i) many += fmt::format(R"(,"field{}":1)", i);
  const std::string warning = ChatWarning(many.substr(1));
  EXPECT_LT(warning.size(), 700u);
  EXPECT_THAT(warning, HasSubstr("and 98"));
}

TEST_F(UnknownFieldsTest, AnEffortIsOneWhereTheTemplateKnowsOfNone) {
  constexpr const char* kEffort = R"("reasoning_effort":"low")";
  EXPECT_EQ(ChatWarning(kEffort), "");
  text::ModelChatTemplate mute = *model_.chat_template;
  mute.source = "{{ messages }}";
  model_.chat_template = &mute;
  EXPECT_EQ(ChatWarning(kEffort), R"(field "reasoning_effort" ignored)");
  constexpr const char* kNone = R"("reasoning_effort":"none")";
  EXPECT_EQ(ChatWarning(kNone), R"(field "reasoning_effort" ignored)");
  const auto marks = std::exchange(model_.reasoning, std::nullopt);
  EXPECT_EQ(ChatWarning(kNone), "") << "it has no thoughts anyway";
  model_.reasoning = marks;
  EXPECT_EQ(WarningOf("/v1/responses", R"("input":"Hi","reasoning":{"effort":"low"})"),
            R"(field "reasoning.effort" ignored)");
  EXPECT_EQ(
      WarningOf("/v1/messages",
                fmt::format(R"({},"max_tokens":4,"output_config":{{"effort":"low"}})", kMessages)),
      R"(field "output_config.effort" ignored)");
}

}  // namespace
}  // namespace switchyard::gateway
