// The recorded prompts of the bundled model with the answers that every layout must give them.
#ifndef SWITCHYARD_TESTS_INTEGRATION_GOLDEN_PROMPTS_H_
#define SWITCHYARD_TESTS_INTEGRATION_GOLDEN_PROMPTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace switchyard::testing {

struct GoldenPrompt {
  std::string id;
  Json messages;  // an array; null for a raw prompt
  std::vector<int32_t> prompt_tokens;
  std::vector<int32_t> greedy_tokens;  // the end token included
  std::string text;                    // of the answer, without special tokens
  std::string finish_reason;
};

// In the file's order.
std::vector<GoldenPrompt> ReadGoldenPrompts();

// The body of a /v1/completions request for the prompt's tokens; `more` overrides.
std::string CompletionBody(const GoldenPrompt& prompt, const Json& more = Json::object());

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INTEGRATION_GOLDEN_PROMPTS_H_
