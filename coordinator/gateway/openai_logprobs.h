// OpenAI's two ways to write log probabilities, and vLLM's for prompts. Of a whole vocabulary the
// likeliest come first, too, ties by the lower id.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_LOGPROBS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_LOGPROBS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "coordinator/core/events.h"
#include "coordinator/text/tokenizer.h"

namespace switchyard::gateway {

// All append JSON text: a whole vocabulary's would be a large tree.

// {"content": [{"token", "logprob", "bytes", "top_logprobs"}, ...], "refusal": null}
void AppendChatLogprobs(const text::Tokenizer& tokenizer, std::span<const core::TokenOutput> tokens,
                        std::string* out);

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}: for a piece of a text that begins at
// `offset`, which moves on by the tokens' text (in characters, as Python counts them; with
// `skip_special` special tokens have none). A token that is half of a character is
// "bytes:\xe2\x96". Of tokens with one name the likeliest stands there. The first token of an
// echoed prompt has no log probability.
void AppendCompletionLogprobs(const text::Tokenizer& tokenizer,
                              std::span<const core::TokenOutput> tokens, bool skip_special,
                              int64_t* offset, std::string* out);

// An echoed prompt's tokens as AppendCompletionLogprobs takes them, with at most `num_top` of the
// likeliest, or the whole vocabulary. `outputs` are of all tokens but the first, whose log
// probability is NaN here and null in JSON.
std::vector<core::TokenOutput> EchoedTokens(std::span<const int32_t> prompt_tokens,
                                            std::span<const core::PromptTokenOutput> outputs,
                                            int32_t num_top);

// [null, {"id": {"logprob", "rank", "decoded_token"}, ...}, ...]: an entry for each token of the
// prompt, the token itself and the `num_top` likeliest, or the whole vocabulary. The rank counts
// from 1; null for a token that is none of the likeliest that are known.
void AppendPromptLogprobs(const text::Tokenizer& tokenizer, std::span<const int32_t> prompt_tokens,
                          std::span<const core::PromptTokenOutput> outputs, int32_t num_top,
                          std::string* out);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_LOGPROBS_H_
