// The model behind the API, as the gateway needs to know it; the coordinator fills it from the
// checkpoint.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_SERVED_MODEL_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_SERVED_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/text/chat_template_file.h"
#include "coordinator/text/harmony_parser.h"
#include "coordinator/text/reasoning_parser.h"
#include "coordinator/text/tokenizer.h"
#include "coordinator/text/tool_call_parser.h"

namespace switchyard::gateway {

// Immutable while it is served; tokenizer and template outlive it.
struct ServedModel {
  std::string name;            // what requests call it
  int64_t created_unix_s = 0;  // what /v1/models says
  int32_t context_length = 0;  // tokens, prompt and answer together
  int32_t vocab_size = 0;      // rows of the logits: what a prompt's ids are checked against
  std::string weights;         // what /v1/models says: "bf16", "q4"
  std::vector<int32_t> eos_token_ids;  // each ends an answer unless the request ignores them
  // For requests that leave them unset (generation_config.json).
  float default_temperature = 1;
  float default_top_p = 1;
  int32_t default_top_k = 0;
  float default_min_p = 0;
  float default_repetition_penalty = 1;
  // Likeliest tokens beside each that a request may ask for; core::kFullVocabulary: any number that
  // there is, and the whole vocabulary.
  int32_t max_logprobs = 20;
  const text::Tokenizer* tokenizer = nullptr;
  const text::ModelChatTemplate* chat_template = nullptr;  // may be null: chat requests are refused
  std::optional<text::ReasoningMarks> reasoning;           // none: the model does not think
  bool opens_thoughts = false;                  // itself, by the begin mark; else its template does
  std::optional<text::HarmonyMarks> harmony;    // none: its answers have no channels
  std::optional<text::ToolFormat> tool_format;  // none: its tool calls cannot be read
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_SERVED_MODEL_H_
