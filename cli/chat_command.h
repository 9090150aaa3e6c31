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
  std::string model;    // empty: the first that the server lists
  std::string system;   // a system message, or empty
  std::string message;  // one question, answered and done; empty: read questions from the input
  std::optional<double> temperature;
  int max_tokens = 0;  // 0: the server's choice
  bool think = false;  // asks the template for thinking (chat_template_kwargs.enable_thinking)
};

// Questions are lines of `in`; the conversation so far goes with each. "/reset" forgets it, "/quit"
// or the end of input leaves. A signal while an answer comes breaks off that answer, otherwise
// leaves.
// `interrupts` counts Ctrl-C: it ends the answer under way, or the conversation between answers.
// With `message`, or questions that no keyboard types, it ends the command with CANCELLED.
absl::Status RunChat(const ChatOptions& options, std::istream& in, std::ostream& out,
                     const std::atomic<int>& interrupts);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_CHAT_COMMAND_H_
