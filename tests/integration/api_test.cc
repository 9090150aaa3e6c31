// What a client of a real cluster sees: the same text in every form, and nothing held once it left.
#include <grpcpp/create_channel.h>

#include <chrono>

#include "proto/inference.grpc.pb.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/integration/stream_set.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ApiTest : public ClusterTest {
 protected:
  // The text of one completion, by one answer or by a stream.
  static std::string Complete(const Cluster& cluster, const std::string& body, bool stream) {
    StreamSet set(cluster.http_port());
    set.Open(PostAndClose("/v1/completions", body));
    EXPECT_TRUE(set.ReadUntilAllEnd(seconds(20))) << cluster.Log();
    const ClientStream& answer = set.streams()[0];
    EXPECT_EQ(answer.status(), 200) << answer.bytes;
    if (stream) {
      EXPECT_TRUE(answer.IsDone()) << answer.bytes;
      return answer.Text();
    }
    return Json::parse(
        answer.bytes.substr(answer.bytes.find("\r\n\r\n") + 4))["choices"][0]["text"];
  }

  static std::string Endless() {
    return CompletionBody(ReadGoldenPrompts()[0],
                          {{"stream", true}, {"ignore_eos", true}, {"max_tokens", 4000}});
  }

  static bool BecomesIdle(const Cluster& cluster) {
    return WaitUntil(seconds(5), [&] {
      const auto status = cluster.Status();
      return status.has_value() && status->kv_blocks_free() == status->kv_blocks_total() &&
             status->running_requests() == 0 && status->waiting_requests() == 0;
    });
  }
  static bool WaitForRequests(const Cluster& cluster, int running, int waiting) {
    return WaitUntil(seconds(10), [&] {
      const auto status = cluster.Status();
      return status.has_value() && status->running_requests() == running &&
             status->waiting_requests() == waiting;
    });
  }
};

// The start of a character at or behind `at`.
size_t CharacterAt(const std::string& text, size_t at) {
  while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
  return at;
}

// A model that knows nothing of it is held to the form all the same, drawn or greedy; the same seed
// gives the same text with a prefix found in the cache.
TEST_F(ApiTest, AnswersHaveTheFormThatWasAskedFor) {
  const Cluster& cluster = StartServing({.data_parallel = 2, .tensor_parallel = 2});
  const Json schema = {{"type", "object"},
                       {"properties",
                        {{"city", {{"type", "string"}, {"maxLength", 12}}},
                         {"size", {{"type", "integer"}, {"minimum", 0}, {"maximum", 999}}},
                         {"kind", {{"enum", {"town", "village"}}}}}},
                       {"required", {"city", "size", "kind"}},
                       {"additionalProperties", false}};
  const std::vector<GoldenPrompt> prompts = ReadGoldenPrompts();
  for (size_t i = 0; i < 6; ++i) {
    const auto complete = [&](const Json& form) {
      Json fields = {{"max_tokens", 100}, {"temperature", i % 2 == 0 ? 0.0 : 1.3}, {"seed", i}};
      fields.update(form);
      return Complete(cluster, CompletionBody(prompts[i], fields), /*stream=*/i % 3 == 0);
    };
    const Json wanted = {
        {"response_format",
         {{"type", "json_schema"}, {"json_schema", {{"name", "place"}, {"schema", schema}}}}},
        {"stream", i % 3 == 0}};
    const std::string text = complete(wanted);
    const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(value.is_object()) << text;
    EXPECT_EQ(value.size(), 3u) << text;
    EXPECT_TRUE(value["city"].is_string()) << text;
    EXPECT_LE(value["size"].get<int>(), 999) << text;
    EXPECT_TRUE(value["kind"] == "town" || value["kind"] == "village") << text;
    EXPECT_EQ(complete(wanted), text);
    const std::string choice = complete({{"guided_choice", {"yes", "no"}}, {"stream", i % 3 == 0}});
    EXPECT_TRUE(choice == "yes" || choice == "no") << choice;
  }
}

// Name and arguments of each call, joined from the deltas where it is streamed.
std::vector<std::pair<std::string, std::string>> CallsOf(const HttpAnswer& answer, bool stream) {
  std::vector<std::pair<std::string, std::string>> calls;
  const auto add = [&](const Json& message) {
    if (!message.contains("tool_calls")) return;
    for (const Json& call : message["tool_calls"]) {
      if (call.contains("id")) calls.emplace_back(call["function"]["name"], "");
      calls.back().second += call["function"]["arguments"].get<std::string>();
    }
  };
  if (!stream) add(Json::parse(answer.body)["choices"][0]["message"]);
  for (const std::string& event : stream ? SseData(answer.body) : std::vector<std::string>()) {
    if (event != "[DONE]") add(Json::parse(event)["choices"][0]["delta"]);
  }
  return calls;
}

// Whatever was asked, drawn or greedy: the workers hold the model to calls, in its own special
// tokens.
TEST_F(ApiTest, ToolsThatMustBeCalledAreCalled) {
  const Cluster& cluster = StartServing({.data_parallel = 2, .tensor_parallel = 2});
  const Json city = {{"type", "object"},
                     {"properties",
                      {{"city", {{"type", "string"}, {"maxLength", 12}}},
                       {"days", {{"type", "integer"}, {"minimum", 1}, {"maximum", 14}}}}},
                     {"required", {"city", "days"}},
                     {"additionalProperties", false}};
  const auto tool = [&](const char* name) {
    return Json{{"type", "function"}, {"function", {{"name", name}, {"parameters", city}}}};
  };
  const Json named = {{"type", "function"}, {"function", {{"name", "get_time"}}}};
  int i = 0;
  for (const GoldenPrompt& prompt : ReadGoldenPrompts()) {
    if (prompt.messages.is_null() || ++i > 8) continue;
    const bool stream = i % 2 == 0, is_named = i % 3 == 0;
    const Json body = {{"messages", prompt.messages},
                       {"tools", {tool("get_weather"), tool("get_time")}},
                       {"tool_choice", is_named ? named : Json("required")},
                       {"parallel_tool_calls", false},
                       {"temperature", i % 4 < 2 ? 0.0 : 1.3},
                       {"seed", i},
                       {"max_tokens", 120},
                       {"stream", stream}};
    HttpClient client(cluster.http_port());
    client.Send(Post("/v1/chat/completions", body.dump()));
    const auto answer = client.ReadAnswer();
    ASSERT_TRUE(answer.has_value() && answer->status == 200) << cluster.Log();
    const auto calls = CallsOf(*answer, stream);
    ASSERT_EQ(calls.size(), 1u) << answer->body;
    EXPECT_TRUE(!is_named || calls[0].first == "get_time") << calls[0].first;
    const Json arguments = Json::parse(calls[0].second, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(arguments.is_object()) << calls[0].second;
    EXPECT_TRUE(arguments["city"].is_string()) << calls[0].second;
    EXPECT_LE(arguments["days"].get<int>(), 14) << calls[0].second;
    EXPECT_NE(answer->body.find("\"tool_calls\""), std::string::npos);
  }
}

// What one request asks for ends neither it nor the cluster.
TEST_F(ApiTest, ParametersAtTheEndOfTheirRangesAreAnswered) {
  const Cluster& cluster = StartServing({.tensor_parallel = 2});
  const GoldenPrompt prompt = ReadGoldenPrompts()[0];
  const auto complete = [&](const Json& fields) {
    return Complete(cluster, CompletionBody(prompt, fields), /*stream=*/false);
  };
  EXPECT_EQ(complete({{"temperature", 1e-39}, {"seed", 3}}), prompt.text) << "greedy";
  EXPECT_EQ(complete({{"temperature", 1e-39}, {"top_p", 1e-39}, {"min_p", 1e-39}, {"seed", 3}}),
            prompt.text);
  for (const double repetition : {1e-38, 1e-45, 10.0}) {
    EXPECT_NE(complete({{"repetition_penalty", repetition}}), "");
    EXPECT_NE(complete({{"repetition_penalty", repetition},
                        {"temperature", 1e-39},
                        {"logit_bias", {{"17", 100}, {"18", -100}}},
                        {"frequency_penalty", -2},
                        {"presence_penalty", -2}}),
              "");
  }
  EXPECT_EQ(complete(Json::object()), prompt.text);
}

TEST_F(ApiTest, StopTextsCutTheSameTextInEveryForm) {
  const Cluster& cluster = StartServing({.tensor_parallel = 2});
  int num_cut = 0;
  for (const GoldenPrompt& prompt : ReadGoldenPrompts()) {
    const size_t begin = CharacterAt(prompt.text, prompt.text.size() / 3);
    const size_t end = CharacterAt(prompt.text, begin + 7);  // longer than most tokens
    if (end >= prompt.text.size() || num_cut == 16) continue;
    ++num_cut;
    const std::string stop = prompt.text.substr(begin, end - begin);
    const std::string expected = prompt.text.substr(0, prompt.text.find(stop));
    for (const bool stream : {false, true}) {
      const std::string body =
          CompletionBody(prompt, {{"stop", {"\x01 never \x02", stop}}, {"stream", stream}});
      EXPECT_EQ(Complete(cluster, body, stream), expected) << prompt.id << ", stop " << stop;
    }
  }
  EXPECT_EQ(num_cut, 16);
}

TEST_F(ApiTest, ClientsThatLeaveHoldNothing) {
  const Cluster& cluster = StartServing({.more_flags = {"--max-running", "3"}});
  HttpClient closes(cluster.http_port()), resets(cluster.http_port()), waits(cluster.http_port());
  for (HttpClient* client : {&closes, &resets}) {
    client->Send(Post("/v1/completions", Endless()));
    ASSERT_TRUE(client->ReadHead().has_value());
  }
  HttpClient whole(cluster.http_port());
  whole.Send(Post("/v1/completions", CompletionBody(ReadGoldenPrompts()[0],
                                                    {{"ignore_eos", true}, {"max_tokens", 4000}})));
  ASSERT_TRUE(WaitForRequests(cluster, 3, 0));
  waits.Send(Post("/v1/completions", Endless()));
  ASSERT_TRUE(WaitForRequests(cluster, 3, 1));

  waits.Close();
  EXPECT_TRUE(WaitForRequests(cluster, 3, 0));
  closes.Close();
  EXPECT_TRUE(WaitForRequests(cluster, 2, 0));
  resets.Reset();
  EXPECT_TRUE(WaitForRequests(cluster, 1, 0));
  whole.Close();
  EXPECT_TRUE(BecomesIdle(cluster));
}

TEST_F(ApiTest, GrpcCallsThatAreCancelledOrLateHoldNothing) {
  const Cluster& cluster = StartServing();
  const auto stub = v1::Inference::NewStub(
      grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
  v1::GenerateRequest request;
  request.mutable_tokens()->add_tokens(5);
  request.set_ignore_eos(true);
  v1::GenerateResponse response;

  grpc::ClientContext cancelled;
  const auto first = stub->Generate(&cancelled, request);
  ASSERT_TRUE(first->Read(&response));
  cancelled.TryCancel();
  EXPECT_TRUE(BecomesIdle(cluster));
  first->Finish();

  grpc::ClientContext late;
  late.set_deadline(std::chrono::system_clock::now() + milliseconds(300));
  const auto second = stub->Generate(&late, request);
  while (second->Read(&response)) {
  }
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(BecomesIdle(cluster));
}

TEST_F(ApiTest, ASmallCacheIsTheContextOfRequestsThatNameNoLimit) {
  const Cluster& cluster = StartServing({.more_flags = {"--kv-blocks", "2"}});  // 32 tokens
  const std::string body = R"({"prompt": [5, 6, 7], "ignore_eos": true, "stream": false})";
  HttpClient client(cluster.http_port());
  client.Send(Post("/v1/completions", body));
  const std::optional<HttpAnswer> answer = client.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(Json::parse(answer->body)["usage"]["total_tokens"], 32);
}

}  // namespace
}  // namespace switchyard::testing
