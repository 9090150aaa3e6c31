// OpenAI's Responses API over scripted answers: shapes, event order, state, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <sstream>

#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/responses_answer.h"
#include "coordinator/gateway/responses_sink.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using switchyard::testing::HttpAnswer;
using switchyard::testing::Post;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kResponses = "/v1/responses";
constexpr const char* kTools = R"("tools":[{"type":"function","name":"look_up",
    "parameters":{"type":"object","properties":{"key":{"type":"string"}}}}])";
constexpr const char* kCall =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n"
    "{\"key\":\"a\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

class ResponsesApiTest : public ApiFixture {
 protected:
  // An answer to some prompt, told to the target.
  absl::StatusOr<std::shared_ptr<Completion>> Start(const ResponseTarget& target) {
    return Completion::Start(
        context_, {.prompt_tokens = {5}, .max_tokens = 9},
        MakeResponseSink(MakeResponseObject(model_, Json::object(), "in_progress"), target));
  }

  void SetUp() override {
    model_.context_length = 4096;
    StartHttp();
  }
  Json Create(const std::string& body, int expected_status = 200) {
    return AskJson(kResponses, body, expected_status);
  }
  Json Do(const char* method, const std::string& rest, int expected_status = 200,
          const char* more = "") {
    const HttpAnswer answer =
        Ask(fmt::format("{} /v1/responses/{} HTTP/1.1\r\nHost: x\r\n{}Content-Length: 0\r\n\r\n",
                        method, rest, more));
    EXPECT_EQ(answer.status, expected_status) << answer.body;
    return ParseJson(answer.body).value();
  }
  std::string Prompt() {
    return model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  }
  // The events of a stream: each says its name twice, and they are numbered.
  std::vector<Json> Events(const std::string& body) {
    const HttpAnswer answer = Ask(Post(kResponses, body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<Json> events;
    std::istringstream lines(answer.body);
    std::string event, data, blank;
    while (std::getline(lines, event) && std::getline(lines, data) && std::getline(lines, blank)) {
      events.push_back(ParseJson(data.substr(6)).value());
      EXPECT_EQ(event, "event: " + events.back()["type"].get<std::string>());
      EXPECT_EQ(events.back()["sequence_number"], events.size() - 1);
    }
    return events;
  }
  static std::vector<std::string> TypesOf(const std::vector<Json>& events) {
    std::vector<std::string> types;  // deltas in a row count once
    for (const Json& event : events) {
      const std::string type = event["type"].get<std::string>().substr(9);
      if (types.empty() || types.back() != type) types.push_back(type);
    }
    return types;
  }
  static std::string Deltas(const std::vector<Json>& events, std::string_view type) {
    std::string text;
    for (const Json& event : events) {
      if (event["type"] == type) text += event["delta"].get<std::string>();
    }
    return text;
  }
};

TEST_F(ResponsesApiTest, AnswersWithItems) {
  SetText("<think>\nHm.\n</think>\n\nOne moment. " + std::string(kCall));
  const Json response = Create(fmt::format(
      R"({{"input":"Hi","instructions":"Be brief.","temperature":0.5,"metadata":{{"a":"b"}},{}}})",
      kTools));
  EXPECT_EQ(response["object"], "response");
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["model"], "tiny-r1");
  EXPECT_EQ(response["instructions"], "Be brief.");
  EXPECT_EQ(response["temperature"], 0.5);
  EXPECT_EQ(response["metadata"]["a"], "b");
  EXPECT_EQ(response["tools"][0]["name"], "look_up");
  EXPECT_TRUE(response["error"].is_null());
  const Json& output = response["output"];
  ASSERT_EQ(output.size(), 3u);
  EXPECT_EQ(output[0]["type"], "reasoning");
  EXPECT_EQ(output[0]["content"][0]["text"], "Hm.");
  EXPECT_EQ(output[1]["role"], "assistant");
  EXPECT_EQ(output[1]["content"][0]["type"], "output_text");
  EXPECT_EQ(output[1]["content"][0]["text"], "One moment.");
  EXPECT_EQ(output[2]["type"], "function_call");
  EXPECT_EQ(output[2]["name"], "look_up");
  EXPECT_EQ(output[2]["arguments"], R"({"key":"a"})");
  EXPECT_THAT(output[2]["call_id"].get<std::string>(), HasSubstr("call_"));
  const Json& usage = response["usage"];
  EXPECT_EQ(usage["input_tokens"], engine_->last_request().prompt_tokens.size());
  EXPECT_GT(usage["output_tokens_details"]["reasoning_tokens"], 1);
  EXPECT_EQ(usage["total_tokens"],
            usage["input_tokens"].get<int>() + usage["output_tokens"].get<int>());
  EXPECT_THAT(Prompt(), HasSubstr("Be brief."));
}

TEST_F(ResponsesApiTest, StreamsItsEventsInOrder) {
  SetText("<think>\nHm.\n</think>\n\nOne moment. " + std::string(kCall));
  const std::vector<Json> events =
      Events(fmt::format(R"({{"input":"Hi","stream":true,{}}})", kTools));
  EXPECT_THAT(TypesOf(events),
              ElementsAre("created", "in_progress", "output_item.added", "content_part.added",
                          "reasoning_text.delta", "reasoning_text.done", "content_part.done",
                          "output_item.done", "output_item.added", "content_part.added",
                          "output_text.delta", "output_text.done", "content_part.done",
                          "output_item.done", "output_item.added", "function_call_arguments.delta",
                          "function_call_arguments.done", "output_item.done", "completed"));
  EXPECT_EQ(Deltas(events, "response.output_text.delta"), "One moment.");
  EXPECT_EQ(Deltas(events, "response.reasoning_text.delta"), "Hm.");
  EXPECT_EQ(Deltas(events, "response.function_call_arguments.delta"), R"({"key":"a"})");
  const Json& last = events.back()["response"];
  EXPECT_EQ(last["id"], events[0]["response"]["id"]);
  EXPECT_EQ(events[0]["response"]["status"], "in_progress");
  EXPECT_EQ(last["status"], "completed");
  ASSERT_EQ(last["output"].size(), 3u);
  for (const Json& event : events) {
    if (!event.contains("item_id")) continue;
    EXPECT_EQ(event["item_id"], last["output"][event["output_index"].get<size_t>()]["id"]);
  }
}

TEST_F(ResponsesApiTest, AnAnswerThatIsCutIsIncomplete) {
  SetText("One two three four five six seven.");
  const Json response = Create(R"({"input":"Hi","max_output_tokens":3})");
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["output"][0]["status"], "incomplete");
  EXPECT_EQ(Events(R"({"input":"Hi","max_output_tokens":3,"stream":true})").back()["type"],
            "response.incomplete");
}

// Clients parse the arguments of a call that is completed.
TEST_F(ResponsesApiTest, ACallThatAStopTextCutsIsIncomplete) {
  SetText(kCall);
  const auto body = [](const char* stop, const char* more) {
    return fmt::format(R"({{"input":"Hi","tool_choice":"required","stop":[{}],{},{}}})", stop,
                       kTools, more);
  };
  for (const auto& [stop, arguments] : {std::pair(R"("\"")", "{"), std::pair(R"("{")", "")}) {
    const Json whole = Create(body(stop, R"("stream":false)"));
    const Json streamed = Events(body(stop, R"("stream":true)")).back();
    EXPECT_EQ(streamed["type"], "response.incomplete");
    for (const Json& response : {whole, streamed["response"]}) {
      EXPECT_EQ(response["status"], "incomplete");
      EXPECT_EQ(response["incomplete_details"].dump(), R"({"reason":"stop"})");
      EXPECT_EQ(response["output"][0]["type"], "function_call");
      EXPECT_EQ(response["output"][0]["arguments"], arguments);
      EXPECT_EQ(response["output"][0]["status"], "incomplete");
    }
  }
  const Json behind = Create(body(R"("\n```<")", R"("stream":false)"));
  EXPECT_EQ(behind["status"], "completed") << "the call is whole";
  EXPECT_EQ(behind["output"][0]["status"], "completed");
  EXPECT_EQ(behind["output"][0]["arguments"], R"({"key":"a"})");
}

TEST_F(ResponsesApiTest, FormsAndDemandedCallsReachTheEngineAsGrammars) {
  SetText("{}");
  Create(R"({"input":"Hi","text":{"format":{"type":"json_schema","name":"x",
             "schema":{"type":"object"}}}})");
  EXPECT_NE(engine_->last_request().grammar, nullptr);
  SetText(kCall);
  for (const char* choice : {R"("required")", R"({"type":"function","name":"look_up"})"}) {
    const Json response =
        Create(fmt::format(R"({{"input":"Hi",{},"tool_choice":{}}})", kTools, choice));
    EXPECT_NE(engine_->last_request().grammar, nullptr);
    EXPECT_EQ(response["output"][0]["arguments"], R"({"key":"a"})");
  }
}

TEST_F(ResponsesApiTest, GoesOnFromAFormerResponse) {
  SetText("<think>Hm.</think>" + std::string(kCall));
  const Json first = Create(fmt::format(R"({{"input":"What is a?",{}}})", kTools));
  const std::string call_id = first["output"][1]["call_id"];
  SetText("It is b.");
  const Json second = Create(fmt::format(
      R"({{"previous_response_id":{},{},"input":[{{"type":"function_call_output","call_id":"{}",
          "output":"b"}}]}})",
      first["id"].dump(), kTools, call_id));
  EXPECT_THAT(Prompt(), HasSubstr("What is a?"));
  EXPECT_THAT(Prompt(), HasSubstr("look_up\n```json\n{\"key\":\"a\"}\n```"));
  EXPECT_THAT(Prompt(), HasSubstr("<｜tool▁output▁begin｜>b<｜tool▁output▁end｜>"));
  EXPECT_THAT(Prompt(), Not(HasSubstr("Hm.")));
  SetText("You are welcome.");
  Create(fmt::format(R"({{"previous_response_id":{},"input":"Thanks"}})", second["id"].dump()));
  EXPECT_THAT(Prompt(), HasSubstr("What is a?"));
  EXPECT_THAT(Prompt(), HasSubstr("It is b."));
  EXPECT_THAT(Prompt(), HasSubstr("Thanks"));
}

TEST_F(ResponsesApiTest, KeepsWhatItIsToldTo) {
  SetText("Hello.");
  const Json response = Create(R"({"input":[{"role":"user","content":"One"},
      {"role":"assistant","content":"Two"},
      {"role":"user","content":[{"type":"input_text","text":"Three"}]}]})");
  const std::string id = response["id"];
  EXPECT_EQ(Do("GET", id), response);
  const Json items = Do("GET", id + "/input_items?order=asc&limit=1");
  ASSERT_EQ(items["data"].size(), 1u);
  EXPECT_EQ(items["data"][0]["content"],
            Json::parse(R"([{"type":"input_text","text":"One"}])"));  // as clients read it
  EXPECT_EQ(items["has_more"], true);
  const std::string after = items["last_id"];
  const Json rest = Do("GET", id + "/input_items?order=asc&after=" + after);
  ASSERT_EQ(rest["data"].size(), 2u);
  EXPECT_EQ(rest["data"][0]["content"],
            Json::parse(R"([{"type":"output_text","text":"Two","annotations":[]}])"));
  EXPECT_EQ(rest["data"][1]["content"][0]["text"], "Three");
  EXPECT_EQ(rest["has_more"], false);
  Do("GET", id, 404, "X-Tenant: another\r\n");
  EXPECT_EQ(Do("DELETE", id)["deleted"], true);
  EXPECT_EQ(Do("GET", id, 404)["error"]["code"], "response_not_found");
  const Json unkept = Create(R"({"input":"Hi","store":false})");
  Do("GET", unkept["id"], 404);
}

TEST_F(ResponsesApiTest, WhatRunsInTheBackgroundIsAskedForAndCancelled) {
  engine_->SetAnswer({.tokens = Tokens("Hello"), .ending = FakeAnswer::Ending::kHang});
  const Json running = Create(R"({"input":"Hi","background":true})");
  EXPECT_EQ(running["status"], "in_progress");
  const std::string id = running["id"];
  EXPECT_EQ(Do("GET", id)["status"], "in_progress");
  Create(fmt::format(R"({{"input":"Hi","previous_response_id":"{}"}})", id), 400);
  EXPECT_EQ(Do("POST", id + "/cancel")["status"], "cancelled");
  EXPECT_TRUE(engine_->WaitForCancels(1));
  EXPECT_EQ(Do("POST", id + "/cancel")["status"], "cancelled");
  EXPECT_EQ(Do("GET", id)["status"], "cancelled");

  SetText("Done.");
  const std::string other = Create(R"({"input":"Hi","background":true})")["id"];
  Json done;
  for (int i = 0; i < 2000 && done["status"] != "completed"; ++i) done = Do("GET", other);
  EXPECT_EQ(done["output"][0]["content"][0]["text"], "Done.");
  const std::string foreground = Create(R"({"input":"Hi"})")["id"];
  Do("POST", foreground + "/cancel", 400);
}

TEST_F(ResponsesApiTest, WhatRunsInTheBackgroundIsSeenToGrow) {
  engine_->SetAnswer({.tokens = Tokens("Hello there"), .ending = FakeAnswer::Ending::kHang});
  const std::string id = Create(R"({"input":"Hi","background":true})")["id"];
  Json seen;
  const auto text = [&] {
    const Json& output = seen["output"];
    return output.empty() ? "" : output[0]["content"][0]["text"].get<std::string>();
  };
  for (int i = 0; i < 2000 && text() != "Hello there"; ++i) seen = Do("GET", id);
  EXPECT_EQ(text(), "Hello there");
  EXPECT_EQ(seen["status"], "in_progress");
  seen = Do("POST", id + "/cancel");
  EXPECT_EQ(seen["status"], "cancelled");
  EXPECT_EQ(text(), "Hello there");
  EXPECT_EQ(seen["output"][0]["status"], "incomplete");
  EXPECT_EQ(Do("GET", id), seen);
}

// Who ends it is another than who listens: the stream has an end all the same.
TEST_F(ResponsesApiTest, AStreamThatIsEndedByAnotherSaysSo) {
  for (const bool deletes : {false, true}) {
    engine_->SetAnswer({.tokens = Tokens("Hello"), .ending = FakeAnswer::Ending::kHang});
    switchyard::testing::HttpClient client(http_->port());
    client.Send(Post(kResponses, R"({"input":"Hi","background":true,"stream":true})"));
    ASSERT_TRUE(client.ReadHead().has_value());
    std::string body = client.ReadChunk().value_or("");
    const auto data = [&] { return switchyard::testing::SseData(body); };
    ASSERT_FALSE(data().empty()) << body;
    const std::string id = ParseJson(data()[0]).value()["response"]["id"];
    deletes ? Do("DELETE", id) : Do("POST", id + "/cancel");
    while (const auto chunk = client.ReadChunk()) body += *chunk;
    const Json last = ParseJson(data().back()).value();
    EXPECT_EQ(last["type"], "response.incomplete");
    EXPECT_EQ(last["response"]["status"], "cancelled");
    EXPECT_EQ(last["sequence_number"], data().size() - 1);
    EXPECT_TRUE(engine_->WaitForCancels(deletes ? 2 : 1));
  }
}

class RecordedReply final : public HttpReply {
 public:
  void Send(HttpResponse response) override { status = response.status; }
  void StartStream(HttpResponse head) override { status = head.status; }
  void Write(std::string) override {}
  void EndStream() override {}
  void OnDisconnect(std::function<void()>) override {}

  std::atomic<int> status = 0;
};

TEST_F(ResponsesApiTest, WithoutRoomInTheStoreNothingRunsInTheBackground) {
  engine_->SetAnswer({.tokens = Tokens("Hello"), .ending = FakeAnswer::Ending::kHang});
  ResponsesStore store({.responses_max = 0});
  const auto reply = std::make_shared<RecordedReply>();
  ResponseTarget target = {.reply = reply,
                           .background = true,
                           .record = {.id = "resp_1"},
                           .store = &store,
                           .metrics = &metrics_};
  const auto completion = Start(target);
  ASSERT_TRUE(completion.ok());
  EXPECT_TRUE(engine_->WaitForCancels(1));
  EXPECT_EQ(reply->status, 429);
}

// A client that asks for the response as soon as it hears of its end.
class AskingReply final : public HttpReply {
 public:
  explicit AskingReply(ResponsesStore& store) : store_(store) {}

  std::shared_ptr<const StoredResponse> Get() const {
    return store_.Get("", "resp_1", std::chrono::steady_clock::now()).value_or(nullptr);
  }

  void Send(HttpResponse) override {}
  void StartStream(HttpResponse) override { begun.set_value(); }
  void Write(std::string event) override {
    for (const char* type : {"completed", "incomplete"}) {
      if (event.starts_with(fmt::format("event: response.{}\n", type))) found = Get();
    }
  }
  void EndStream() override { ended.set_value(); }
  void OnDisconnect(std::function<void()>) override {}

  std::promise<void> begun, ended;
  std::shared_ptr<const StoredResponse> found;  // null: not there

 private:
  ResponsesStore& store_;
};

TEST_F(ResponsesApiTest, AResponseIsKeptBeforeItsEndIsTold) {
  struct Case {
    bool background, is_cancelled;
    const char* status;
  };
  for (const Case& c : {Case{false, false, "completed"}, Case{true, false, "completed"},
                        Case{true, true, "cancelled"}}) {
    SCOPED_TRACE(fmt::format("background {}, {}", c.background, c.status));
    const auto ending = c.is_cancelled ? FakeAnswer::Ending::kHang : FakeAnswer::Ending::kFinish;
    engine_->SetAnswer({.tokens = Tokens("Hello"), .ending = ending});
    ResponsesStore store;
    const auto reply = std::make_shared<AskingReply>(store);
    ResponseTarget target = {.reply = reply,
                             .stream = true,
                             .background = c.background,
                             .record = {.id = "resp_1"},
                             .store = &store,
                             .metrics = &metrics_};
    const auto completion = Start(target);
    ASSERT_TRUE(completion.ok());
    const std::chrono::seconds patience(20);
    ASSERT_EQ(reply->begun.get_future().wait_for(patience), std::future_status::ready);
    if (c.is_cancelled) reply->Get()->running.lock()->Cancel();
    ASSERT_EQ(reply->ended.get_future().wait_for(patience), std::future_status::ready);
    ASSERT_NE(reply->found, nullptr);
    EXPECT_FALSE(reply->found->under_way);
    EXPECT_EQ(ParseJson(reply->found->response).value()["status"], c.status);
  }
}

TEST_F(ResponsesApiTest, ABackgroundResponseThatFailsSaysSo) {
  engine_->SetAnswer(
      {.ending = FakeAnswer::Ending::kFail, .error = absl::UnavailableError("rank 3 is lost")});
  EXPECT_EQ(Create(R"({"input":"Hi"})", 503)["error"]["message"], "rank 3 is lost");
  const std::string id = Create(R"({"input":"Hi","background":true})")["id"];
  Json failed;
  for (int i = 0; i < 2000 && failed["status"] != "failed"; ++i) failed = Do("GET", id);
  EXPECT_EQ(failed["error"]["code"], "server_error");
  EXPECT_EQ(failed["error"]["message"], "rank 3 is lost");
}

TEST_F(ResponsesApiTest, AClientThatGoesAwayIsCancelled) {
  engine_->SetAnswer({.tokens = Tokens("Hello"), .ending = FakeAnswer::Ending::kHang});
  switchyard::testing::HttpClient client(http_->port());
  client.Send(Post(kResponses, R"({"input":"Hi","stream":true})"));
  ASSERT_TRUE(client.ReadHead().has_value());
  client.Close();
  EXPECT_TRUE(engine_->WaitForCancels(1));
}

TEST_F(ResponsesApiTest, LeavesOutTheOldestTurnsWhereThatIsAllowed) {
  model_.context_length = 120;
  SetText("Yes.");
  std::string items;
  for (int i = 0; i < 12; ++i) {
    items += fmt::format(
        R"({}{{"role":"user","content":"question {} of many words that fill the context"}},
           {{"role":"assistant","content":"answer {}"}})",
        i == 0 ? "" : ",", i, i);
    const std::string body = fmt::format(
        R"("instructions":"Be brief.","max_output_tokens":20,"input":[{},
           {{"role":"user","content":"the last one"}}])",
        items);
    const bool fits = i < 4;
    if (!fits) {
      EXPECT_EQ(Create("{" + body + "}", 400)["error"]["code"], "context_length_exceeded") << i;
    }
    Create(R"({"truncation":"auto",)" + body + "}");
    EXPECT_THAT(Prompt(), HasSubstr("Be brief."));
    EXPECT_THAT(Prompt(), HasSubstr("the last one"));
    EXPECT_THAT(Prompt(), HasSubstr(fmt::format("question {} ", i)));
    if (!fits) {
      EXPECT_THAT(Prompt(), Not(HasSubstr("question 0 "))) << i;
    }
    EXPECT_LE(engine_->last_request().prompt_tokens.size(), 100u) << i;
  }
}

TEST_F(ResponsesApiTest, NamesWhatIsWrong) {
  const auto param = [&](const std::string& body, int status = 400) {
    return Create("{" + body + "}", status)["error"]["param"];
  };
  EXPECT_EQ(param(""), "input");
  EXPECT_EQ(param(R"("input":7)"), "input");
  EXPECT_EQ(param(R"("input":[])"), "input");
  EXPECT_EQ(param(R"("input":[{"role":"king","content":"x"}])"), "input[0].role");
  EXPECT_EQ(param(R"("input":[{"role":"user","content":[{"type":"input_image"}]}])"),
            "input[0].content[0]");
  EXPECT_EQ(param(R"("input":[{"type":"item_reference","id":"x"}])"), "input[0]");
  EXPECT_EQ(param(R"("input":"x","max_output_tokens":0)"), "max_output_tokens");
  EXPECT_EQ(param(R"("input":"x","temperature":"hot")"), "temperature");
  EXPECT_EQ(param(R"("input":"x","tools":[{"type":"web_search"}])"), "tools[0]");
  EXPECT_EQ(param(R"("input":"x","text":{"format":{"type":"json_schema","schema":{"not":{}}}})"),
            "text.format");
  EXPECT_EQ(param(R"("input":"x","text":{"format":{"type":"json_schema","schema":{},"name":5}})"),
            "text.format.name");
  EXPECT_EQ(param(R"("input":"x","text":{"format":{"type":"json_schema","schema":{},"strict":1}})"),
            "text.format.strict");
  EXPECT_EQ(param(R"("input":"x","metadata":{"a":1})"), "metadata");
  EXPECT_EQ(param(R"("input":"x","truncation":"some")"), "truncation");
  EXPECT_EQ(param(R"("input":"x","background":true,"store":false)"), "background");
  EXPECT_EQ(param(R"("input":"x","conversation":"c")"), "conversation");
  EXPECT_EQ(param(R"("input":"x","model":"other")", 404), "model");
  EXPECT_EQ(param(R"("input":"x","previous_response_id":"resp_1")", 404), "previous_response_id");
  Do("GET", "resp_1/what", 404);
  Do("PUT", "resp_1", 405);
}

// Looking at each of a million items would take a thread that others need, too.
TEST_F(ResponsesApiTest, TooManyItemsAreRefusedUnread) {
  const auto items = [](size_t count) {
    std::string list = "{}";
    for (size_t i = 1; i < count; ++i) list += ",{}";
    return fmt::format(R"({{"input":[{}]}})", list);
  };
  const auto param = [](const Json& answer) { return answer["error"]["param"]; };
  EXPECT_EQ(param(Create(items(ChatFields::kMaxMessages), 400)), "input[0]");
  EXPECT_EQ(param(Create(items(ChatFields::kMaxMessages + 1), 400)), "input");
}

TEST_F(ResponsesApiTest, FieldsOfInferenceServersReachTheEngine) {
  SetText("x");
  const auto ask = [&](const std::string& more) {
    const HttpAnswer answer = Ask(Post(kResponses, R"({"input":"Hi","store":false,)" + more + "}"));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.count("x-switchyard-warning"), 0u) << more;
    return engine_->last_request();
  };
  EXPECT_TRUE(
      ask(R"("drafts":true,"n":1,"best_of":1,"top_logprobs":0,"prompt_logprobs":null)").drafts);
  EXPECT_FALSE(ask(R"("drafts":false)").drafts);
  for (const char* form :
       {R"("guided_json":{"type":"object"})", R"("guided_regex":"a+")", R"("guided_choice":["a"])",
        R"("guided_grammar":"root ::= \"a\"")", R"("structured_outputs":{"regex":"a+"})",
        R"("response_format":{"type":"json_object"})"}) {
    EXPECT_NE(ask(form).grammar, nullptr) << form;
  }
  const auto param = [&](const std::string& more) {
    return Create(R"({"input":"Hi",)" + more + "}", 400)["error"]["param"];
  };
  EXPECT_EQ(param(R"("n":2)"), "n");
  EXPECT_EQ(param(R"("best_of":2)"), "best_of");
  EXPECT_EQ(param(R"("prompt_logprobs":0)"), "prompt_logprobs");
  EXPECT_EQ(param(R"("prompt_logprobs":-1)"), "prompt_logprobs");
  EXPECT_EQ(param(R"("guided_whitespace_pattern":" ")"), "guided_whitespace_pattern");
  EXPECT_EQ(param(R"("top_logprobs":-1)"), "top_logprobs");
  EXPECT_EQ(param(R"("top_logprobs":5)"), "top_logprobs");
  EXPECT_EQ(param(R"("n":0)"), "n");
  EXPECT_EQ(param(R"("guided_regex":"(")"), "guided_regex");
  EXPECT_EQ(param(R"("response_format":{"type":"king"})"), "response_format.type");
  EXPECT_EQ(param(R"("response_format":{"type":"json_object"},
                     "text":{"format":{"type":"json_object"}})"),
            "text.format");
}

TEST_F(ResponsesApiTest, UnknownFieldsAreNamedInTheHead) {
  SetText("x");
  const HttpAnswer answer =
      Ask(Post(kResponses, R"({"input":"Hi","store":false,"user":"me","colour":"red"})"));
  EXPECT_THAT(answer.headers.at("x-switchyard-warning"), HasSubstr("colour"));
  EXPECT_THAT(answer.headers.at("x-switchyard-warning"), Not(HasSubstr("user")));
}

}  // namespace
}  // namespace switchyard::gateway
