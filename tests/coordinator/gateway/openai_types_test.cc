// OpenAI requests: what is taken, and what is refused with which param.
#include "coordinator/gateway/openai_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"Hi"}])";

std::string Chat(std::string_view more) { return fmt::format("{{{},{}}}", kHi, more); }

// The error's param, or "" where it has none; "OK" if there is no error.
std::string ParamOf(const absl::Status& status) {
  if (status.ok()) return "OK";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const Json error = ErrorObject(status)["error"];
  return error["param"].is_null() ? "" : error["param"].get<std::string>();
}

std::string ChatParam(std::string_view body) {
  return ParamOf(ParseChatCompletionRequest(body).status());
}

TEST(ChatRequest, ReadsEveryField) {
  const auto good = ParseChatCompletionRequest(Chat(
      R"("model":"m","max_completion_tokens":7,"temperature":0,"top_p":0.5,"top_k":3,"seed":-2,
         "stop":["a","b"],
         "ignore_eos":true,"stream":true,"stream_options":{"include_usage":true},
         "chat_template_kwargs":{"enable_thinking":true},"user":"someone","unheard_of":[1])"));
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->generation.model, "m");
  EXPECT_EQ(good->generation.max_tokens, 7);
  EXPECT_EQ(good->generation.sampling.temperature, 0.0f);
  EXPECT_EQ(good->generation.sampling.top_p, 0.5f);
  EXPECT_EQ(good->generation.sampling.top_k, 3);
  EXPECT_EQ(good->generation.sampling.seed, ~uint64_t{1});
  EXPECT_EQ(good->generation.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(good->generation.sampling.ignore_eos);
  EXPECT_TRUE(good->delivery.stream);
  EXPECT_TRUE(good->delivery.include_usage);
  EXPECT_EQ(good->chat.template_kwargs.dump(), R"({"enable_thinking":true})");
  EXPECT_TRUE(good->chat.tools.is_null());
}

// `count` times what `make` gives for 0, 1, ..., as a list.
template <typename Make>
std::string ListOf(size_t count, Make make) {
  std::string list = "[";
  for (size_t i = 0; i < count; ++i) list += (i > 0 ? "," : "") + make(i);
  return list + "]";
}

// Each entry costs time on a thread that others need, too.
TEST(ChatRequest, ListsHaveLimits) {
  const auto tool = [](size_t i) {
    return fmt::format(R"({{"type":"function","function":{{"name":"f{}"}}}})", i);
  };
  const auto message = [](size_t) -> std::string { return R"({"role":"user","content":"x"})"; };
  const auto part = [](size_t) -> std::string { return R"({"type":"text","text":"x"})"; };
  const auto call = [](size_t) -> std::string {
    return R"({"id":"a","type":"function","function":{"name":"f","arguments":"{}"}})";
  };
  struct Case {
    std::function<std::string(size_t)> body;
    size_t most;
    const char* param;
  };
  const Case cases[] = {
      {[&](size_t n) { return fmt::format(R"({{"messages":{}}})", ListOf(n, message)); },
       ChatFields::kMaxMessages, "messages"},
      {[&](size_t n) {
         return fmt::format(R"({{"messages":[{{"role":"user","content":{}}}]}})", ListOf(n, part));
       },
       ChatFields::kMaxParts, "messages[0].content"},
      {[&](size_t n) {
         return fmt::format(R"({{"messages":[{{"role":"assistant","tool_calls":{}}}]}})",
                            ListOf(n, call));
       },
       ChatFields::kMaxToolCalls, "messages[0].tool_calls"},
      {[&](size_t n) { return Chat(fmt::format(R"("tools":{})", ListOf(n, tool))); },
       ChatFields::kMaxTools, "tools"},
      {[&](size_t n) {
         Json kwargs = Json::object();
         for (size_t i = 0; i < n; ++i) kwargs[fmt::format("k{}", i)] = 1;
         return Chat(fmt::format(R"("chat_template_kwargs":{})", kwargs.dump()));
       },
       ChatFields::kMaxTemplateKwargs, "chat_template_kwargs"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ChatParam(c.body(c.most)), "OK") << c.param;
    EXPECT_EQ(ChatParam(c.body(c.most + 1)), c.param);
  }
}

// What an effort adds to them is not the request's.
TEST(ChatRequest, AnEffortTakesNoPlaceAmongTheTemplatesFields) {
  Json kwargs = Json::object();
  for (size_t i = 0; i < ChatFields::kMaxTemplateKwargs; ++i) kwargs[fmt::format("k{}", i)] = 1;
  EXPECT_EQ(ChatParam(Chat(fmt::format(R"("reasoning_effort":"low","chat_template_kwargs":{})",
                                       kwargs.dump()))),
            "OK");
}

TEST(ChatRequest, TakesNullForAbsent) {
  const auto request = ParseChatCompletionRequest(Chat(
      R"("model":null,"max_tokens":null,"temperature":null,"stop":null,"stream":null,"tools":null,
         "n":null,"logprobs":null)"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_FALSE(request->generation.max_tokens);
}

TEST(ChatRequest, JoinsTextPartsAndRenamesTheDeveloper) {
  const auto request = ParseChatCompletionRequest(
      R"({"messages":[{"role":"developer","content":"Be brief."},
          {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
          {"role":"assistant","content":null,"tool_calls":[
            {"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"tool","tool_call_id":"1","content":"x"}]})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->chat.messages[0]["role"], "system");
  EXPECT_EQ(request->chat.messages[1]["content"], "ab");
  EXPECT_TRUE(request->chat.messages[2]["content"].is_null());
}

TEST(ChatRequest, TakesWhatFormerAnswersMayLeaveOut) {
  const auto request = ParseChatCompletionRequest(
      R"({"messages":[{"role":"assistant","content":null},{"role":"assistant"},
          {"role":"assistant","content":null,"refusal":"I will not."},
          {"role":"assistant","content":[{"type":"text","text":"a "},
                                         {"type":"refusal","refusal":"No."}]},
          {"role":"assistant","content":"b","tool_calls":[
            {"id":"1","type":"function","function":{"name":"f","arguments":null}},
            {"id":"2","type":"function","function":{"name":"f"}},
            {"id":"3","type":"function","function":{"name":"f","arguments":""}}]}]})");
  ASSERT_TRUE(request.ok()) << request.status();
  const Json& messages = request->chat.messages;
  EXPECT_EQ(messages[0]["content"], "");
  EXPECT_EQ(messages[1]["content"], "");
  EXPECT_EQ(messages[2]["content"], "I will not.");
  EXPECT_EQ(messages[3]["content"], "a No.");
}

TEST(ChatRequest, HidesToolsThatShallNotBeCalled) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}])";
  EXPECT_EQ(ParseChatCompletionRequest(Chat(tools))->chat.tools.size(), 1u);
  EXPECT_TRUE(
      ParseChatCompletionRequest(Chat(tools + R"(,"tool_choice":"none")"))->chat.tools.is_null());
}

TEST(ChatRequest, RefusesWhatIsNoJsonObject) {
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("7"),
        std::string("\"\xff\""), std::string(1000, '[') + std::string(1000, ']'),
        R"({"messages":)" + std::string(1000, '[') + std::string(1000, ']') + "}",
        Chat(R"("top_p":1,"top_p":1)")}) {
    EXPECT_EQ(ChatParam(body), "") << body.substr(0, 40);
  }
}

TEST(ChatRequest, NamesTheFieldAtFault) {
  const std::pair<std::string, std::string> cases[] = {
      {R"("model":1)", "model"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_tokens":1.5)", "max_tokens"},
      {R"("max_tokens":"5")", "max_tokens"},
      {R"("max_tokens":4294967297)", "max_tokens"},
      {R"("max_tokens":-9999999999)", "max_tokens"},
      {R"("max_tokens":5,"max_completion_tokens":6)", "max_completion_tokens"},
      {R"("temperature":-0.1)", "temperature"},
      {R"("temperature":2.1)", "temperature"},
      {R"("temperature":1e300)", "temperature"},
      {R"("temperature":true)", "temperature"},
      {R"("top_p":0)", "top_p"},
      {R"("top_p":1.01)", "top_p"},
      {R"("top_k":-2)", "top_k"},
      {R"("top_k":2.5)", "top_k"},
      {R"("seed":1.5)", "seed"},
      {R"("seed":"x")", "seed"},
      {R"("stop":"")", "stop"},
      {R"("stop":["a",""])", "stop"},
      {R"("stop":["a",7])", "stop"},
      {R"("stop":{})", "stop"},
      {R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])",
       "stop"},
      {fmt::format(R"("stop":"{}")", std::string(5000, 'x')), "stop"},
      {R"("ignore_eos":1)", "ignore_eos"},
      {R"("stream":"yes")", "stream"},
      {R"("stream_options":{"include_usage":true})", "stream_options"},
      {R"("stream":true,"stream_options":7)", "stream_options"},
      {R"("stream":true,"stream_options":{"include_usage":7})", "stream_options.include_usage"},
      {R"("tools":{})", "tools"},
      {R"("tools":[{"type":"function"}])", "tools[0]"},
      {R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"web"}])", "tools[1]"},
      {R"("chat_template_kwargs":[])", "chat_template_kwargs"},
      {R"("chat_template_kwargs":{"messages":[]})", "chat_template_kwargs"},
      {R"("chat_template_kwargs":{"bos_token":"x"})", "chat_template_kwargs"},
  };
  for (const auto& [more, param] : cases) EXPECT_EQ(ChatParam(Chat(more)), param) << more;
}

TEST(ChatRequest, NamesTheMessageAtFault) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({})", "messages"},
      {R"({"messages":[]})", "messages"},
      {R"({"messages":"Hi"})", "messages"},
      {R"({"messages":["Hi"]})", "messages[0]"},
      {R"({"messages":[{"content":"Hi"}]})", "messages[0]"},
      {R"({"messages":[{"role":"king","content":"Hi"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"system","content":null}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":"a"},{"role":"user","content":7}]})",
       "messages[1].content"},
      {R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},
          {"type":"image_url","image_url":{}}]}]})",
       "messages[0].content[1]"},
      {R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})", "messages[0].content[0]"},
      {R"({"messages":[{"role":"user","content":["a"]}]})", "messages[0].content[0]"},
      {R"({"messages":[{"role":"assistant","tool_calls":7}]})", "messages[0].tool_calls"},
      {R"({"messages":[{"role":"assistant","content":"a","reasoning_content":["b"]}]})",
       "messages[0].reasoning_content"},
      {R"({"messages":[{"role":"user","content":"a","name":5}]})", "messages[0].name"},
      {R"({"messages":[{"role":"assistant","refusal":{}}]})", "messages[0].refusal"},
      {R"({"messages":[{"role":"tool","content":"a","tool_call_id":5}]})",
       "messages[0].tool_call_id"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":7}}]}]})",
       "messages[0].tool_calls"},
  };
  for (const auto& [body, param] : cases) EXPECT_EQ(ChatParam(body), param) << body;
}

TEST(ChatRequest, RefusesByNameWhatItKnowsAndCannotDo) {
  const std::pair<std::string, std::string> cases[] = {
      {R"("functions":[{"name":"f"}])", "functions"},
      {R"("audio":{"voice":"a"})", "audio"},
  };
  for (const auto& [more, param] : cases) {
    const absl::Status status = ParseChatCompletionRequest(Chat(more)).status();
    EXPECT_EQ(ParamOf(status), param) << more;
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(ErrorObject(status)["error"]["code"], "unsupported_parameter");
  }
  EXPECT_EQ(ChatParam(Chat(R"("n":1,"logprobs":false,"presence_penalty":0.0,"logit_bias":{},
                              "response_format":{"type":"text"},"tool_choice":"auto","min_p":0)")),
            "OK");
}

std::vector<TextPrompt> PromptsOf(std::string_view prompt) {
  const auto request = ParseCompletionRequest(fmt::format(R"({{"prompt":{}}})", prompt));
  EXPECT_TRUE(request.ok()) << request.status();
  return request.ok() ? request->prompts : std::vector<TextPrompt>();
}
TextPrompt Ids(std::vector<int32_t> ids) { return ids; }

TEST(CompletionRequest, TakesTextsOrTokens) {
  EXPECT_THAT(PromptsOf(R"("Hi")"), ElementsAre(TextPrompt("Hi")));
  EXPECT_THAT(PromptsOf(R"(["Hi"])"), ElementsAre(TextPrompt("Hi")));
  EXPECT_THAT(PromptsOf(R"(["a","b",[5]])"),
              ElementsAre(TextPrompt("a"), TextPrompt("b"), Ids({5})));
  EXPECT_THAT(PromptsOf("[[1],[2,3]]"), ElementsAre(Ids({1}), Ids({2, 3})));
  EXPECT_THAT(PromptsOf("[5,6]"), ElementsAre(Ids({5, 6})));
}

TEST(CompletionRequest, OneRequestTakesSoManyAnswers) {
  const auto param = [](size_t num_prompts, std::string_view more) {
    const Json prompts = std::vector<std::string>(num_prompts, "a");
    return ParamOf(
        ParseCompletionRequest(fmt::format(R"({{"prompt":{}{}}})", prompts.dump(), more)).status());
  };
  EXPECT_EQ(param(128, ""), "OK");
  EXPECT_EQ(param(129, ""), "prompt");
  EXPECT_EQ(param(64, R"(,"n":2)"), "OK");
  EXPECT_EQ(param(65, R"(,"n":2)"), "n");
  EXPECT_EQ(param(33, R"(,"n":2,"best_of":4)"), "best_of");
}

TEST(CompletionRequest, RefusesOtherPrompts) {
  for (const char* body : {R"({})", R"({"prompt":null})", R"({"prompt":7})", R"({"prompt":[]})",
                           R"({"prompt":{}})", R"({"prompt":[1,"a"]})", R"({"prompt":[1,[2]]})",
                           R"({"prompt":[1.5]})", R"({"prompt":[99999999999]})"}) {
    EXPECT_EQ(ParamOf(ParseCompletionRequest(body).status()), "prompt") << body;
  }
  for (const char* body : {R"({"prompt":["a",7]})", R"({"prompt":["a",null]})",
                           R"({"prompt":[[1],[]]})", R"({"prompt":[[1],["a"]]})"}) {
    EXPECT_EQ(ParamOf(ParseCompletionRequest(body).status()), "prompt[1]") << body;
  }
  EXPECT_EQ(ParamOf(ParseCompletionRequest(R"({"prompt":"a","suffix":"b"})").status()), "suffix");
  EXPECT_EQ(ParamOf(ParseCompletionRequest(
                        R"({"prompt":"a","guided_json":{},"guided_whitespace_pattern":" ?"})")
                        .status()),
            "guided_whitespace_pattern");
}

}  // namespace
}  // namespace switchyard::gateway
