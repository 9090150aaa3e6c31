// The recorded prompts of the bundled models with the answers that every layout must give them.
#ifndef SWITCHYARD_TESTS_INTEGRATION_GOLDEN_PROMPTS_H_
#define SWITCHYARD_TESTS_INTEGRATION_GOLDEN_PROMPTS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "proto/inference.grpc.pb.h"

namespace switchyard::testing {

struct GoldenPrompt {
  std::string id;  // the number of its line where the file gives none
  Json messages;   // an array; null for a raw prompt
  std::vector<int32_t> prompt_tokens;
  std::vector<int32_t> greedy_tokens;  // the end token included
  bool ignores_end = false;            // recorded so: end tokens end nothing
  std::string text;                    // of the answer, without special tokens
  std::string finish_reason;
};

// In the file's order; `model` is a folder of models/.
std::vector<GoldenPrompt> ReadGoldenPrompts(const std::string& model = "tiny-r1");

// The body of a /v1/completions request for the prompt's tokens; `more` overrides.
std::string CompletionBody(const GoldenPrompt& prompt, const Json& more = Json::object());

// The greedy tokens of one prompt by gRPC; adds a failure when the call has another end than OK.
std::vector<int32_t> GreedyTokens(v1::Inference::Stub& stub, const GoldenPrompt& prompt,
                                  std::chrono::milliseconds timeout, bool drafts = true);

// All prompts at once, each with its recorded tokens.
void ExpectGreedyTokens(v1::Inference::Stub& stub, const std::vector<GoldenPrompt>& prompts,
                        std::chrono::milliseconds timeout);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INTEGRATION_GOLDEN_PROMPTS_H_
