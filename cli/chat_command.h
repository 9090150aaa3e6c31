// `switchyard chat`: talks to a server of the OpenAI dialect and writes the answers as they come.
#ifndef SWITCHYARD_CLI_CHAT_COMMAND_H_
#define SWITCHYARD_CLI_CHAT_COMMAND_H_

#include <atomic>
#include <iosfwd>
#include <optional>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct ChatOptions {
  std::string url = "http://127.0.0.1:8000";
  std::string key;      // of the API; empty: none
  std::string model;    // empty: the first that the server lists
  std::string system;   // a system message, or empty
  std::string message;  // one question, answered and done; empty: read questions from the input
  std::optional<double> temperature;
  int max_tokens = 0;  // 0: the server's choice
  bool think = false;  // asks the template for thinking (chat_template_kwargs.enable_thinking)
  // The output is a terminal that shows colours: thoughts are written too, dimmed, and after each
  // answer how fast it came.
  bool color = false;
};

// Questions are lines of `in`; the conversation so far goes with each.
//   /clear (or /reset)   forgets it, but not the system message
//   /system TEXT         sets the system message; without TEXT, none
//   /save FILE           writes it as the JSON list of messages that the API takes
//   /help                lists these
//   /quit                leaves, as the end of input does
//   //...                asks what begins with a slash, without the first one
// Another command is INVALID_ARGUMENT, of which a person is told; questions that no keyboard types
// end there.
// A signal while an answer comes breaks off that answer, otherwise leaves.
// `interrupts` counts Ctrl-C: it ends the answer under way, or the conversation between answers.
// With `message`, or questions that no keyboard types, it ends the command with CANCELLED.
absl::Status RunChat(const ChatOptions& options, std::istream& in, std::ostream& out,
                     const std::atomic<int>& interrupts);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_CHAT_COMMAND_H_
