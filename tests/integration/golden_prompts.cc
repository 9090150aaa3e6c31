#include "tests/integration/golden_prompts.h"

#include <fstream>

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

std::vector<GoldenPrompt> ReadGoldenPrompts() {
  std::ifstream file(SWITCHYARD_SOURCE_DIR "/models/tiny-r1/goldens/prompts.jsonl");
  std::vector<GoldenPrompt> prompts;
  for (std::string line; std::getline(file, line);) {
    const Json json = Json::parse(line);
    GoldenPrompt prompt{.id = json["id"],
                        .prompt_tokens = json["prompt_tokens"],
                        .greedy_tokens = json["greedy_tokens"],
                        .text = WithoutSpecials(json["text"]),
                        .finish_reason = json["finish_reason"]};
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

}  // namespace switchyard::testing
