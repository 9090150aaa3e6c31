// Prompts that end within their last message, so that the answer goes on with it.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_FINAL_MESSAGE_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_FINAL_MESSAGE_H_

#include "base/json.h"
#include "base/status.h"
#include "coordinator/text/rendered_text.h"

namespace switchyard::gateway {

// Cuts `rendered`, which a template has made of `messages` without the beginning of an answer,
// behind the last message's content. White space at the content's end stays if the template wrote
// it. INVALID_ARGUMENT if the message has no text, or calls tools, or if the template does not
// write the text as it is. REQUIRES: messages are of ChatFields.
absl::Status CutBehindFinalMessage(const Json& messages, text::RenderedText* rendered);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_FINAL_MESSAGE_H_
