// The same request over HTTP and over gRPC: the engine gets the same, and the answer is the same.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <variant>

#include "coordinator/gateway/generate_answer.h"
#include "coordinator/gateway/generate_request.h"
#include "coordinator/gateway/grpc_front.h"
#include "coordinator/gateway/inference_service.h"
#include "proto/inference.grpc.pb.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kCompletions[] = "/v1/completions";

// What of a request reaches the engine.
std::string Describe(const core::NewRequest& request) {
  return fmt::format(
      "prompt [{}] max {} {} stop [{}] grammar {} tenant {} priority {} salt {} {} ms {}",
      fmt::join(request.prompt_tokens, " "), request.max_tokens,
      request.sampling.ShortDebugString(), fmt::join(request.stop_token_ids, " "),
      request.grammar ? request.grammar->SerializeAsString() : "none", request.tenant,
      request.priority, request.cache_salt, request.timeout.count(), request.drafts);
}

// An answer, in one form for both.
struct Choice {
  std::string text, reasoning, finish;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
  std::vector<float> logprobs;                             // each token's, and its likeliest
  std::vector<float> prompt_logprobs;
  int64_t num_full = 0;  // log probabilities beside the prompt's

  friend bool operator==(const Choice&, const Choice&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Choice& choice) {
    out << "text '" << choice.text << "' reasoning '" << choice.reasoning << "' " << choice.finish;
    for (const auto& [name, arguments] : choice.calls) out << " " << name << arguments;
    return out << ::testing::PrintToString(choice.logprobs)
               << ::testing::PrintToString(choice.prompt_logprobs);
  }
};
struct Answer {
  std::vector<Choice> choices;
  std::vector<int> usage;
};

std::string TextOr(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? "" : found->get<std::string>();
}

void AddLogprobs(const Json& logprobs, Choice* choice) {
  if (logprobs.is_null()) return;
  if (logprobs.contains("content")) {
    for (const Json& token : logprobs["content"]) {
      choice->logprobs.push_back(token["logprob"]);
      for (const Json& top : token["top_logprobs"]) choice->logprobs.push_back(top["logprob"]);
    }
    return;
  }
  for (size_t i = 0; i < logprobs["token_logprobs"].size(); ++i) {
    const Json& logprob = logprobs["token_logprobs"][i];
    if (!logprob.is_null()) choice->logprobs.push_back(logprob);
  }
}

// As many as the vocabulary has.
int64_t NumFull(const Json& choice) {
  int64_t num_full = 0;
  for (const Json& entry : choice.value("prompt_logprobs", Json::array())) {
    if (entry.size() == 4096) num_full += 4096;
  }
  return num_full;
}

Choice FromJson(const Json& json) {
  Choice choice = {.finish = json["finish_reason"]};
  if (json.contains("message")) {
    choice.text = TextOr(json["message"], "content");
    choice.reasoning = TextOr(json["message"], "reasoning_content");
    if (json["message"].contains("tool_calls")) {
      for (const Json& call : json["message"]["tool_calls"]) {
        choice.calls.emplace_back(call["function"]["name"], call["function"]["arguments"]);
      }
    }
  } else {
    choice.text = json["text"];
  }
  choice.num_full = NumFull(json);
  if (json.contains("logprobs")) AddLogprobs(json["logprobs"], &choice);
  if (!json.contains("prompt_logprobs")) return choice;
  for (const Json& entry : json["prompt_logprobs"]) {
    // The prompt's own token is the first.
    if (!entry.is_null())
      choice.prompt_logprobs.push_back(entry.items().begin().value()["logprob"]);
  }
  return choice;
}

class GenerateParityTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.context_length = 512;
    StartHttp();
    auto front = GrpcFront::Start({}, {inference_.service()});
    ASSERT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    stub_ = v1::Inference::NewStub(grpc::CreateChannel(fmt::format("127.0.0.1:{}", front_->port()),
                                                       grpc::InsecureChannelCredentials()));
  }

  Answer OverHttp(const char* path, const std::string& body) {
    const Json json = AskJson(path, body);
    Answer answer;
    for (Json choice : json["choices"]) {
      if (json.contains("prompt_logprobs")) choice["prompt_logprobs"] = json["prompt_logprobs"];
      answer.choices.push_back(FromJson(choice));
    }
    const Json& usage = json["usage"];
    answer.usage = {usage["prompt_tokens"], usage["completion_tokens"]};
    return answer;
  }

  Answer OverGrpc(const v1::GenerateRequest& request, bool has_top) {
    grpc::ClientContext context;
    // For what hangs: ThreadSanitizer takes minutes over large messages of gRPC's own threads.
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(10));
    const auto reader = stub_->Generate(&context, request);
    std::map<int, Choice> choices;
    v1::GenerateResponse response;
    Answer answer;
    while (reader->Read(&response)) {
      EXPECT_TRUE(answer.usage.empty()) << "usage comes last";
      Choice& choice = choices[response.index()];
      EXPECT_EQ(choice.finish, "") << "nothing behind an answer's end";
      Add(response, has_top, &choice);
      if (response.has_usage()) {
        answer.usage = {response.usage().prompt_tokens(), response.usage().completion_tokens()};
      }
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (auto& [index, choice] : choices) answer.choices.push_back(choice);
    return answer;
  }

  static void Add(const v1::GenerateResponse& response, bool has_top, Choice* choice) {
    choice->text += response.text();
    choice->reasoning += response.reasoning();
    for (const v1::ToolCallPiece& call : response.tool_calls()) {
      if (!call.id().empty()) choice->calls.emplace_back(call.name(), "");
      choice->calls[call.index()].second += call.arguments();
    }
    for (const v1::ScoredToken& token : response.logprobs()) {
      if (token.has_logprob()) choice->logprobs.push_back(token.logprob());
      for (const v1::LikelyToken& top : token.top()) {
        if (has_top) choice->logprobs.push_back(top.logprob());
      }
      std::vector<float> full(token.full_logprobs().begin(), token.full_logprobs().end());
      std::sort(full.rbegin(), full.rend());
      if (has_top) choice->logprobs.insert(choice->logprobs.end(), full.begin(), full.end());
    }
    EXPECT_LE(response.ByteSizeLong(), kMostMessageBytes);
    for (const v1::ScoredToken& token : response.prompt_logprobs()) {
      choice->num_full += token.full_logprobs_size();
      if (token.has_logprob()) choice->prompt_logprobs.push_back(token.logprob());
    }
    const std::map<v1::FinishReason, const char*> names = {
        {v1::FINISH_REASON_STOP, "stop"},
        {v1::FINISH_REASON_LENGTH, "length"},
        {v1::FINISH_REASON_TOOL_CALLS, "tool_calls"}};
    const auto name = names.find(response.finish_reason());
    if (name != names.end()) choice->finish = name->second;
  }

  // `text` is the request in protobuf's text format.
  void ExpectSame(const char* path, const std::string& body, const std::string& text) {
    SCOPED_TRACE(body);
    v1::GenerateRequest request;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request));
    const Answer http = OverHttp(path, body);
    const std::string expected = Describe(engine_->last_request());
    const Answer grpc = OverGrpc(request, /*has_top=*/path == std::string(kChat));
    EXPECT_EQ(Describe(engine_->last_request()), expected);
    EXPECT_EQ(grpc.choices, http.choices);
    EXPECT_EQ(grpc.usage, http.usage);
  }

  InferenceService inference_{context_, work_};
  std::unique_ptr<GrpcFront> front_;
  std::unique_ptr<v1::Inference::Stub> stub_;
};

TEST_F(GenerateParityTest, EverySamplingAndSchedulingField) {
  SetText("one two three");
  ExpectSame(kChat, R"({"messages":[{"role":"system","content":"Be brief."},
                                    {"role":"user","content":"Hi"}],
      "model":"tiny-r1","max_tokens":40,"temperature":0.25,"top_p":0.5,"top_k":7,"min_p":0.125,
      "typical_p":0.75,"presence_penalty":0.5,"frequency_penalty":-0.5,"repetition_penalty":1.5,
      "logit_bias":{"7":2.5},"bad_words":["never"],"min_tokens":2,"stop_token_ids":[9],
      "ignore_eos":false,"seed":18446744073709551615,"stop":["zzz"],"max_thinking_tokens":5,
      "priority":-3,"timeout":1.5,"cache_salt":"pepper","drafts":false})",
             R"(chat { messages { role: "system" content: "Be brief." }
                       messages { role: "user" content: "Hi" } }
      model: "tiny-r1" max_tokens: 40 temperature: 0.25 top_p: 0.5 top_k: 7 min_p: 0.125
      typical_p: 0.75 presence_penalty: 0.5 frequency_penalty: -0.5 repetition_penalty: 1.5
      logit_bias { key: 7 value: 2.5 } bad_words: "never" min_tokens: 2 stop_token_ids: 9
      seed: 18446744073709551615 stop: "zzz" max_thinking_tokens: 5
      priority: -3 timeout: 1.5 cache_salt: "pepper" drafts: false)");
}

TEST_F(GenerateParityTest, LogprobsAndEchoes) {
  SetText("one two three");
  ExpectSame(kChat, R"({"messages":[{"role":"user","content":"Hi"}],"seed":1,"logprobs":true,
                        "top_logprobs":3,"prompt_logprobs":2})",
             R"(chat { messages { role: "user" content: "Hi" } } seed: 1 logprobs: 3
                prompt_logprobs: 2)");
  ExpectSame(kCompletions, R"({"prompt":"Hello you","seed":1,"echo":true,"logprobs":0})",
             R"(text: "Hello you" seed: 1 echo: true logprobs: 0)");
  ExpectSame(kCompletions,
             R"({"prompt":"Hello you","seed":1,"echo":true,"logprobs":1,"max_tokens":0})",
             R"(text: "Hello you" seed: 1 echo: true logprobs: 1 max_tokens: 0)");
  ExpectSame(kCompletions, R"({"prompt":[0,1357,42],"seed":1,"echo":true,"logprobs":2,
                               "prompt_logprobs":1,"max_tokens":2})",
             R"(tokens { tokens: [0, 1357, 42] } seed: 1 echo: true logprobs: 2 prompt_logprobs: 1
                max_tokens: 2)");
}

TEST_F(GenerateParityTest, LogprobsOfTheWholeVocabulary) {
  model_.max_logprobs = core::kFullVocabulary;
  SetText("one two three");
  ExpectSame(kChat, R"({"messages":[{"role":"user","content":"Hi"}],"seed":1,"logprobs":true,
                        "top_logprobs":-1,"max_tokens":6})",
             R"(chat { messages { role: "user" content: "Hi" } } seed: 1 logprobs: -1
                max_tokens: 6)");
  ExpectSame(kCompletions, R"({"prompt":[0,1357,42],"seed":1,"echo":true,"logprobs":-1,"n":2,
                               "max_tokens":2})",
             R"(tokens { tokens: [0, 1357, 42] } seed: 1 echo: true logprobs: -1 n: 2
                max_tokens: 2)");
  ExpectSame(kCompletions, R"({"prompt":[0,1357,42],"seed":1,"prompt_logprobs":-1})",
             R"(tokens { tokens: [0, 1357, 42] } seed: 1 prompt_logprobs: -1)");
}

// More than clients take in one message.
TEST_F(GenerateParityTest, LogprobsOfALongPromptComeInSeveralMessages) {
  model_.max_logprobs = core::kFullVocabulary;
  SetText("one");
  v1::GenerateRequest request;
  for (int i = 0; i < 400; ++i) request.mutable_tokens()->add_tokens(i);
  request.set_prompt_logprobs(-1);
  request.set_echo(true);
  request.set_logprobs(-1);
  const Answer answer = OverGrpc(request, /*has_top=*/true);
  ASSERT_EQ(answer.choices.size(), 1u);
  const Choice& choice = answer.choices[0];
  EXPECT_EQ(choice.num_full, 399 * 4096);
  ASSERT_EQ(choice.prompt_logprobs.size(), 399u);
  for (int i = 0; i < 399; ++i) EXPECT_EQ(choice.prompt_logprobs[i], -float(i + 1));
  EXPECT_EQ(choice.logprobs.size(), (399 + Tokens("one").size()) * (1 + 4096));
}

// Much more than may pile up of another answer, which has no whole vocabularies.
TEST_F(GenerateParityTest, LikeliestTokensOfALongPromptComeAtOnceAndWhole) {
  model_.max_logprobs = LogprobFields::kMax;
  model_.context_length = 1 << 12;
  SetText("one");
  v1::GenerateRequest request;
  for (int i = 0; i < 4000; ++i) request.mutable_tokens()->add_tokens(i);
  request.set_prompt_logprobs(LogprobFields::kMax);
  request.set_echo(true);
  request.set_logprobs(LogprobFields::kMax);
  request.set_n(2);
  const Answer answer = OverGrpc(request, /*has_top=*/true);
  ASSERT_EQ(answer.choices.size(), 2u);
  for (const Choice& choice : answer.choices) EXPECT_EQ(choice.prompt_logprobs.size(), 3999u);

  const std::vector<int> tokens(1000, 7);
  const testing::HttpAnswer streamed = Ask(testing::Post(
      kCompletions, fmt::format(R"({{"prompt":[{}],"prompt_logprobs":128,"n":2,"stream":true}})",
                                fmt::join(tokens, ","))));
  EXPECT_THAT(streamed.body, EndsWith("data: [DONE]\n\n"));
  EXPECT_GT(streamed.body.size(), 12u << 20);
}

TEST_F(GenerateParityTest, SeveralAnswersAndTheBestOfThem) {
  engine_->SetAnswers({{.tokens = TokensThenEos("first of all"), .logprob = -2},
                       {.tokens = TokensThenEos("second"), .logprob = -1},
                       {.tokens = TokensThenEos("third one"), .logprob = -3}});
  ExpectSame(kChat, R"({"messages":[{"role":"user","content":"Hi"}],"seed":1,"n":3})",
             R"(chat { messages { role: "user" content: "Hi" } } seed: 1 n: 3)");
  ExpectSame(kCompletions, R"({"prompt":"Hi","seed":1,"n":2,"best_of":3,"logprobs":0})",
             R"(text: "Hi" seed: 1 n: 2 best_of: 3 logprobs: 0)");
}

TEST_F(GenerateParityTest, Thoughts) {
  SetText("<think>\nhm, well\n</think>\n\nYes.");
  ExpectSame(kChat, R"({"messages":[{"role":"user","content":"Hi"}],"seed":1})",
             R"(chat { messages { role: "user" content: "Hi" } } seed: 1)");
  ExpectSame(kChat, R"({"messages":[{"role":"user","content":"Hi"}],"seed":1,
                        "include_reasoning":false,
                        "chat_template_kwargs":{"enable_thinking":true}})",
             R"(chat { messages { role: "user" content: "Hi" } include_reasoning: false
                       template_kwargs_json: "{\"enable_thinking\":true}" } seed: 1)");
}

TEST_F(GenerateParityTest, HowAChatsPromptEnds) {
  SetText(" Cairo.");
  const auto check = [&](const char* json, const char* text) {
    ExpectSame(kChat,
               fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}},
                                      {{"role":"assistant","content":"It is"}}],"seed":1{}}})",
                           json),
               fmt::format(R"(chat {{ messages {{ role: "user" content: "Hi" }}
                                      messages {{ role: "assistant" content: "It is" }} {} }}
                              seed: 1)",
                           text));
    return model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  };
  EXPECT_THAT(check("", ""), EndsWith("<｜Assistant｜>"));
  EXPECT_THAT(check(R"(,"add_generation_prompt":true)", "add_generation_prompt: true"),
              EndsWith("<｜Assistant｜>"));
  EXPECT_THAT(check(R"(,"add_generation_prompt":false)", "add_generation_prompt: false"),
              EndsWith("It is<｜end▁of▁sentence｜>"));
  EXPECT_THAT(check(R"(,"continue_final_message":true)", "continue_final_message: true"),
              EndsWith("<｜Assistant｜>It is"));
  check(R"(,"continue_final_message":true,"add_generation_prompt":false)",
        "continue_final_message: true add_generation_prompt: false");
}

TEST_F(GenerateParityTest, AnEffortAndWhatElseATemplateReadsOfAMessage) {
  UseModel("tiny-gpt-oss");
  SetText("<|channel|>final<|message|>Four.<|return|>");
  ExpectSame(
      kChat, R"({"messages":[{"role":"user","content":"Hi"}],"seed":1,
                        "reasoning_effort":"high"})",
      R"(chat { messages { role: "user" content: "Hi" } reasoning_effort: "high" } seed: 1)");
  const auto prompt = [&] {
    return model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  };
  EXPECT_THAT(prompt(), HasSubstr("Reasoning: high"));
  ExpectSame(kChat, R"({"messages":[{"role":"user","content":"Hi"},
      {"role":"assistant","thinking":"Hmm.","tool_calls":[{"id":"c1","type":"function",
       "function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"c1","content":"1"}],"seed":1})",
             R"(chat { messages { role: "user" content: "Hi" }
      messages { role: "assistant" tool_calls_json: "[{\"id\":\"c1\",\"type\":\"function\","
          "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]"
          other_fields_json: "{\"thinking\":\"Hmm.\"}" }
      messages { role: "tool" tool_call_id: "c1" content: "1" } } seed: 1)");
  EXPECT_THAT(prompt(), HasSubstr("Hmm."));
}

TEST_F(GenerateParityTest, WarnsOfAnEffortThatTheTemplateDoesNotKnow) {
  const auto warning = [&] {
    v1::GenerateRequest request;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"(chat { messages { role: "user" content: "Hi" } reasoning_effort: "low" })", &request));
    grpc::ClientContext context;
    const auto reader = stub_->Generate(&context, request);
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
    const auto& metadata = context.GetServerInitialMetadata();
    const auto found = metadata.find("x-switchyard-warning");
    return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
  };
  SetText("Yes.");
  EXPECT_EQ(warning(), "");
  text::ModelChatTemplate mute = *model_.chat_template;
  mute.source = "{{ messages }}";
  model_.chat_template = &mute;
  EXPECT_EQ(warning(), R"(field "reasoning_effort" ignored)");
}

TEST_F(GenerateParityTest, StopTextsAndSpecialTokens) {
  SetText("one two three");
  ExpectSame(kCompletions, R"({"prompt":"Hi","seed":1,"stop":"o thr",
                               "include_stop_str_in_output":true})",
             R"(text: "Hi" seed: 1 stop: "o thr" include_stop_str_in_output: true)");
  SetText("a<think>b");
  ExpectSame(kCompletions, R"({"prompt":"Hi","seed":1,"skip_special_tokens":false})",
             R"(text: "Hi" seed: 1 skip_special_tokens: false)");
}

TEST_F(GenerateParityTest, FormsOfAnswers) {
  SetText("7");
  const std::pair<const char*, const char*> cases[] = {
      {R"("guided_json":{"type":"integer"})", R"(json_schema: "{\"type\":\"integer\"}")"},
      {R"("response_format":{"type":"json_object"})", "json_object: true"},
      {R"("structured_outputs":{"json_object":true,"disable_any_whitespace":false})",
       "json_object: true flexible_json: true"},
      {R"("guided_regex":"[0-9]+")", R"(regex: "[0-9]+")"},
      {R"("guided_grammar":"root ::= \"7\"")", R"(grammar: "root ::= \"7\"")"},
      {R"("guided_choice":["7","8"])", R"(choice { choices: "7" choices: "8" })"},
  };
  for (const auto& [json, text] : cases) {
    ExpectSame(kCompletions, fmt::format(R"({{"prompt":"Hi","seed":1,{}}})", json),
               fmt::format(R"(text: "Hi" seed: 1 {})", text));
    EXPECT_NE(engine_->last_request().grammar, nullptr) << text;
  }
}

TEST_F(GenerateParityTest, ToolsAndTheirResults) {
  SetText(
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"x\": 1}\n```"
      "<｜tool▁call▁end｜><｜tool▁calls▁end｜>");
  const std::string tools = R"([{"type":"function","function":{"name":"f","parameters":
      {"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],
       "additionalProperties":false}}}])";
  std::string escaped;
  for (const char c : tools) {
    if (c == '\n') continue;
    if (c == '"') escaped += '\\';
    escaped += c;
  }
  const auto check = [&](const std::string& json, const std::string& text) {
    ExpectSame(
        kChat,
        fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}],"seed":1,"tools":{}{}}})",
                    tools, json),
        fmt::format(R"(chat {{ messages {{ role: "user" content: "Hi" }} tools_json: "{}" {} }}
                              seed: 1)",
                    escaped, text));
  };
  check("", "");
  check(R"(,"tool_choice":"none")", R"(tool_choice: "none")");
  check(R"(,"tool_choice":"required","parallel_tool_calls":false)",
        R"(tool_choice: "required" parallel_tool_calls: false)");
  check(R"(,"tool_choice":{"type":"function","function":{"name":"f"}})", R"(named_tool: "f")");

  SetText("It is 1.");
  ExpectSame(kChat, R"({"seed":1,"messages":[{"role":"user","content":"Hi"},
      {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
       "function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"c1","content":"1"}]})",
             R"(seed: 1 chat { messages { role: "user" content: "Hi" }
      messages { role: "assistant" tool_calls_json: "[{\"id\":\"c1\",\"type\":\"function\","
          "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]" }
      messages { role: "tool" tool_call_id: "c1" content: "1" } })");
}

void ExpectAllSet(const google::protobuf::Message& message, std::set<std::string> but) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const auto* field = message.GetDescriptor()->field(i);
    if (field->real_containing_oneof() != nullptr || but.contains(field->name())) continue;
    const bool is_set = field->is_repeated()
                            ? message.GetReflection()->FieldSize(message, field) > 0
                            : message.GetReflection()->HasField(message, field);
    EXPECT_TRUE(is_set) << field->name() << " is not in this test";
  }
}

// A field that gRPC has and nobody reads would be dropped in silence: so every one is set here, but
// those that exclude each other.
TEST(GenerateRequest, EveryFieldIsReadBySomebody) {
  v1::GenerateRequest request;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(model: "m" max_tokens: 5 temperature: 1 top_p: 1 top_k: 1 seed: 1 stop: "s"
         ignore_eos: true min_p: 0.5 typical_p: 0.5 presence_penalty: 1 frequency_penalty: 1
         repetition_penalty: 1 logit_bias { key: 1 value: 1 } bad_words: "w" min_tokens: 1
         stop_token_ids: 1 include_stop_str_in_output: true skip_special_tokens: true n: 1
         best_of: 1 logprobs: 1 prompt_logprobs: 1 regex: "x" max_thinking_tokens: 1 priority: 1
         timeout: 1 cache_salt: "s" drafts: true flexible_json: true)",
      &request));
  ExpectAllSet(request, {"echo"});
  v1::GenerateRequest chat = request;
  chat.mutable_chat()->add_messages()->set_role("user");
  chat.mutable_chat()->mutable_messages(0)->set_content("Hi");
  chat.mutable_chat()->set_tools_json(R"([{"type":"function","function":{"name":"f"}}])");
  chat.mutable_chat()->set_tool_choice("auto");
  chat.mutable_chat()->set_template_kwargs_json("{}");
  chat.mutable_chat()->set_parallel_tool_calls(true);
  chat.mutable_chat()->set_include_reasoning(true);
  chat.mutable_chat()->set_add_generation_prompt(false);
  chat.mutable_chat()->set_continue_final_message(true);
  chat.mutable_chat()->set_reasoning_effort("low");
  ExpectAllSet(chat.chat(), {"named_tool"});  // in place of tool_choice
  const auto as_chat = ReadGenerateRequest(chat);
  ASSERT_TRUE(as_chat.ok()) << as_chat.status();
  EXPECT_THAT(std::get<ChatCompletionRequest>(*as_chat).unknown_fields, IsEmpty());
  request.set_text("Hi");
  request.set_echo(true);
  const auto as_text = ReadGenerateRequest(request);
  ASSERT_TRUE(as_text.ok()) << as_text.status();
  EXPECT_THAT(std::get<CompletionRequest>(*as_text).unknown_fields, IsEmpty());
}

TEST_F(GenerateParityTest, ErrorsNameTheFieldAsHttpDoes) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(text: "Hi" min_p: 2)", "'min_p' must be between 0 and 1"},
      {R"(text: "Hi" temperature: nan)", "'temperature' must be between 0 and 2"},
      {R"(text: "Hi" n: 0)", "'n' must be between"},
      {R"(text: "Hi" logprobs: 21)", "'logprobs' must be between"},
      {R"(text: "Hi" timeout: -1)", "'timeout' must be over 0"},
      {R"(text: "Hi" priority: 1001)", "'priority' must be"},
      {R"(text: "Hi" logit_bias { key: 5000 value: 1 })", "outside the vocabulary"},
      {R"(text: "Hi" json_schema: "{")", "malformed JSON"},
      {R"(chat { messages { role: "user" } })", "'messages[0].content' is missing"},
      {R"(chat { messages { role: "user" content: "Hi" } tools_json: "[{" })", "tools_json"},
      {R"(chat { messages { role: "user" content: "Hi" } tool_choice: "required" })",
       "tool_choice"},
      {R"(chat { messages { role: "user" content: "Hi" } } echo: true)", "'echo'"},
      {R"(chat { messages { role: "user" content: "Hi" } reasoning_effort: "some" })",
       "'reasoning_effort' must be"},
      {R"(chat { messages { role: "user" content: "Hi" } continue_final_message: true
                 add_generation_prompt: true })",
       "contradict"},
      {R"(chat { messages { role: "user" other_fields_json: "{\"content\":\"Hi\"}" } })",
       "'other_fields_json' may not set 'content'"},
      {R"(chat { messages { role: "user" content: "Hi" other_fields_json: "[1]" } })",
       "'other_fields_json' must be an object"},
  };
  for (const auto& [text, message] : cases) {
    v1::GenerateRequest request;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
    grpc::ClientContext context;
    const auto reader = stub_->Generate(&context, request);
    v1::GenerateResponse response;
    EXPECT_FALSE(reader->Read(&response)) << text;
    const grpc::Status status = reader->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << text;
    EXPECT_THAT(status.error_message(), HasSubstr(message)) << text;
  }
}

TEST_F(GenerateParityTest, AClientThatDoesNotReadIsCutOffAndCancelled) {
  model_.context_length = 1 << 30;
  engine_->SetAnswer(
      {.tokens = Tokens(std::string(2000, 'x')), .ending = FakeAnswer::Ending::kRepeat});
  v1::GenerateRequest request;
  request.set_text("Hi");
  request.set_logprobs(20);  // a token alone is a few bytes, and must wait for its turn
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  const auto reader = stub_->Generate(&context, request);
  EXPECT_TRUE(engine_->WaitForCancels(1));
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
  }
  // By which of the two depends on what is still on its way.
  EXPECT_THAT(reader->Finish().error_code(),
              ::testing::AnyOf(grpc::StatusCode::CANCELLED, grpc::StatusCode::RESOURCE_EXHAUSTED));
}

}  // namespace
}  // namespace switchyard::gateway
