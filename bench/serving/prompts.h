// What the benchmark asks: random words, or the prompts of a file.
#ifndef SWITCHYARD_BENCH_SERVING_PROMPTS_H_
#define SWITCHYARD_BENCH_SERVING_PROMPTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::bench {

enum class Endpoint { kChat, kCompletions };

struct BodyOptions {
  Endpoint endpoint = Endpoint::kChat;
  std::string model;
  int max_tokens = 128;
  Json extra = Json::object();  // fields that every request gets besides
};

// Text of `num_words` short English words, each mostly one token; the same for the same seed and
// index.
std::string RandomWords(uint64_t seed, uint64_t index, int num_words);

// The prompts of a JSONL file, "prompt" (a string) or "messages" (a list) in each line, as the
// endpoint's field. INVALID_ARGUMENT names the line that has not what the endpoint takes.
absl::StatusOr<std::vector<Json>> ReadPrompts(const std::string& path, Endpoint endpoint);

// A streaming request with usage. `prompt` is a text, or a list of messages (chat only).
Json MakeBody(const BodyOptions& options, const Json& prompt);

// To /v1/completions: `max_tokens` tokens whatever they are, the likeliest each time.
Json CompletionBody(const Json& prompt, int max_tokens);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_SERVING_PROMPTS_H_
