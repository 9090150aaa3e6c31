#include "tests/coordinator/gateway/api_fixture.h"

#include <map>
#include <utility>

#include "base/check.h"

namespace switchyard::gateway {

const ServedModel& TinyModel() {
  static const ServedModel* const kModel = [] {
    const std::string dir = std::string(SWITCHYARD_SOURCE_DIR) + "/models/tiny-r1";
    auto tokenizer = text::Tokenizer::FromFiles(dir);
    SY_CHECK(tokenizer.ok()) << Message(tokenizer.status());
    auto chat_template = text::LoadChatTemplate(dir);
    SY_CHECK(chat_template.ok()) << Message(chat_template.status());
    const auto reasoning = text::FindReasoningMarks(**tokenizer, chat_template->source);
    const auto tool_format = text::FindToolFormat(chat_template->source);
    return new ServedModel{.name = "tiny-r1",
                           .created_unix_s = 1700000000,
                           .context_length = 64,
                           .vocab_size = 4096,
                           .eos_token_ids = {kEos},
                           .default_temperature = 0.6f,
                           .default_top_p = 0.95f,
                           .tokenizer = tokenizer->release(),
                           .chat_template = new text::ModelChatTemplate(*std::move(chat_template)),
                           .reasoning = reasoning,
                           .tool_format = tool_format};
  }();
  return *kModel;
}

std::vector<int32_t> Tokens(std::string_view text) {
  return TinyModel().tokenizer->Encode(text, {}).value();
}

std::vector<int32_t> TokensThenEos(std::string_view text) {
  std::vector<int32_t> tokens = Tokens(text);
  tokens.push_back(kEos);
  return tokens;
}

// The threads stop before the engine that they call; the engine goes before the threads that its
// listeners post to.
ApiFixture::~ApiFixture() {
  http_.reset();
  work_.Stop();
  slow_.Stop();
  io_.Stop();
}

void ApiFixture::UseModel(const std::string& name) {
  struct Files {
    std::unique_ptr<const text::Tokenizer> tokenizer;
    text::ModelChatTemplate chat_template;
  };
  static std::map<std::string, Files>& read = *new std::map<std::string, Files>;
  if (!read.contains(name)) {
    const std::string dir = std::string(SWITCHYARD_SOURCE_DIR) + "/models/" + name;
    read.emplace(
        name, Files{text::Tokenizer::FromFiles(dir).value(), text::LoadChatTemplate(dir).value()});
  }
  const Files& files = read.at(name);
  const std::string& source = files.chat_template.source;
  model_.tokenizer = files.tokenizer.get();
  model_.chat_template = &files.chat_template;
  model_.context_length = 4096;
  model_.vocab_size = files.tokenizer->vocab_size();
  model_.reasoning = text::FindReasoningMarks(*files.tokenizer, source);
  model_.opens_thoughts =
      model_.reasoning &&
      text::LeavesBeginToModel(*files.tokenizer, *model_.reasoning, files.chat_template);
  model_.harmony = text::FindHarmonyMarks(*files.tokenizer, source);
  model_.tool_format = text::FindToolFormat(source);
}

void ApiFixture::StartHttp(HttpServerOptions options) {
  api_ = std::make_unique<HttpApi>(context_, *work_executor_, access_);
  auto server = HttpServer::Start(
      api_->Complete(std::move(options)),
      [this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
        api_->Handle(std::move(request), std::move(reply));
      },
      io_);
  ASSERT_TRUE(server.ok()) << server.status();
  http_ = *std::move(server);
}

testing::HttpAnswer ApiFixture::Ask(std::string_view request) {
  testing::HttpClient client(http_->port());
  EXPECT_TRUE(client.Send(request));
  const auto answer = client.ReadAnswer();
  EXPECT_TRUE(answer) << "no whole answer";
  return answer.value_or(testing::HttpAnswer{});
}

std::vector<Json> ApiFixture::Stream(const char* path, std::string_view body) {
  const testing::HttpAnswer answer = Ask(testing::Post(path, body));
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.headers.at("content-type").find("text/event-stream"), std::string::npos);
  std::vector<std::string> events = testing::SseData(answer.body);
  EXPECT_FALSE(events.empty());
  if (events.empty()) return {};
  EXPECT_EQ(events.back(), "[DONE]");
  events.pop_back();
  std::vector<Json> chunks;
  for (const std::string& event : events) chunks.push_back(ParseJson(event).value());
  return chunks;
}

void ApiFixture::SetText(std::string_view text) {
  std::vector<int32_t> tokens = model_.tokenizer->Encode(text, {.parse_special = true}).value();
  tokens.push_back(kEos);
  engine_->SetAnswer({.tokens = std::move(tokens)});
}

Json ApiFixture::AskJson(std::string_view path, std::string_view body, int expected_status) {
  const testing::HttpAnswer answer = Ask(testing::Post(path, body));
  EXPECT_EQ(answer.status, expected_status) << answer.body;
  auto json = ParseJson(answer.body);
  EXPECT_TRUE(json.ok()) << answer.body;
  return json.ok() ? *std::move(json) : Json();
}

}  // namespace switchyard::gateway
