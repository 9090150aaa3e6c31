#include "tests/integration/golden_prompts.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

namespace switchyard::testing {
namespace {

// Without special tokens, as answers are.
std::string WithoutSpecials(std::string text) {
  constexpr std::string_view kBegin = "<｜", kEnd = "｜>";
  for (size_t begin; (begin = text.find(kBegin)) != std::string::npos;) {
    text.erase(begin, text.find(kEnd, begin) + kEnd.size() - begin);
  }
  return text;
}

}  // namespace

std::vector<GoldenPrompt> ReadGoldenPrompts(const std::string& model) {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/models/" + model + "/goldens/prompts.jsonl");
  std::vector<GoldenPrompt> prompts;
  for (std::string line; std::getline(file, line);) {
    const Json json = Json::parse(line);
    GoldenPrompt prompt{.id = json.value("id", std::to_string(prompts.size())),
                        .prompt_tokens = json["prompt_tokens"],
                        .greedy_tokens = json["greedy_tokens"],
                        .ignores_end = !json.contains("finish_reason"),
                        .text = WithoutSpecials(json.value("text", "")),
                        .finish_reason = json.value("finish_reason", "")};
    // A request with tools or thinking needs more than its messages.
    if (json.contains("messages") && !json.contains("tools") && !json.contains("enable_thinking")) {
      prompt.messages = json["messages"];
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

std::string CompletionBody(const GoldenPrompt& prompt, const Json& more) {
  Json body = {{"prompt", prompt.prompt_tokens}, {"temperature", 0}, {"max_tokens", 64}};
  body.update(more);
  return body.dump();
}

std::vector<int32_t> GreedyTokens(v1::Inference::Stub& stub, const GoldenPrompt& prompt,
                                  std::chrono::milliseconds timeout, bool drafts) {
  v1::GenerateRequest request;
  request.mutable_tokens()->mutable_tokens()->Assign(prompt.prompt_tokens.begin(),
                                                     prompt.prompt_tokens.end());
  request.set_temperature(0);
  request.set_max_tokens(prompt.ignores_end ? int32_t(prompt.greedy_tokens.size()) : 64);
  request.set_ignore_eos(prompt.ignores_end);
  if (!drafts) request.set_drafts(false);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  const auto reader = stub.Generate(&context, request);
  std::vector<int32_t> tokens;
  for (v1::GenerateResponse response; reader->Read(&response);) {
    tokens.insert(tokens.end(), response.tokens().begin(), response.tokens().end());
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return tokens;
}

void ExpectGreedyTokens(v1::Inference::Stub& stub, const std::vector<GoldenPrompt>& prompts,
                        std::chrono::milliseconds timeout) {
  std::vector<std::vector<int32_t>> tokens(prompts.size());
  std::vector<std::thread> clients;
  for (size_t i = 0; i < prompts.size(); ++i) {
    clients.emplace_back([&, i] { tokens[i] = GreedyTokens(stub, prompts[i], timeout); });
  }
  for (std::thread& client : clients) client.join();
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(tokens[i], prompts[i].greedy_tokens) << prompts[i].id;
  }
}

}  // namespace switchyard::testing
