#include "cli/chat_command.h"

#include <unistd.h>

#include <istream>
#include <ostream>

#include "base/exit_code.h"
#include "cli/http_client.h"

namespace switchyard::cli {
namespace {

Json Message(std::string_view role, const std::string& content) {
  return Json{{"role", std::string(role)}, {"content", content}};
}

// An element of what may be of any shape: null where it is not there.
const Json& At(const Json& value, const char* key) {
  static const Json null;
  const auto it = value.is_object() ? value.find(key) : value.end();
  return it == value.end() ? null : *it;
}
const Json& First(const Json& value) {
  static const Json null;
  return value.is_array() && !value.empty() ? value.front() : null;
}

class Conversation {
 public:
  Conversation(const ChatOptions& options, HttpClient& client, std::string model)
      : options_(options), client_(client), model_(std::move(model)) {
    Reset();
  }

  void Reset() {
    messages_ = Json::array();
    if (!options_.system.empty()) messages_.push_back(Message("system", options_.system));
  }

  // Asks and writes the answer while it comes. An answer that broke off is not remembered.
  absl::Status Ask(const std::string& question, std::ostream& out) {
    Json request{{"model", model_}, {"messages", messages_}, {"stream", true}};
    request["messages"].push_back(Message("user", question));
    if (options_.temperature.has_value()) request["temperature"] = *options_.temperature;
    if (options_.max_tokens > 0) request["max_tokens"] = options_.max_tokens;
    if (options_.think) request["chat_template_kwargs"] = Json{{"enable_thinking", true}};
    std::string answer;
    absl::Status failure;
    const absl::Status sent =
        client_.PostStream("/v1/chat/completions", request, [&](std::string_view payload) {
          failure = TakeDelta(payload, &answer, out);
          return failure.ok();
        });
    if (sent.ok() || !answer.empty()) out << std::endl;
    SY_RETURN_IF_ERROR(sent);
    SY_RETURN_IF_ERROR(failure);
    messages_.push_back(Message("user", question));
    messages_.push_back(Message("assistant", answer));
    return absl::OkStatus();
  }

 private:
  static absl::Status TakeDelta(std::string_view payload, std::string* answer, std::ostream& out) {
    SY_ASSIGN_OR_RETURN(const Json json, ParseJson(payload));
    if (!At(json, "error").is_null())
      return absl::UnavailableError(ErrorMessage(std::string(payload)));
    const Json& content = At(At(First(At(json, "choices")), "delta"), "content");
    if (!content.is_string()) return absl::OkStatus();
    const std::string text = content.get<std::string>();
    *answer += text;
    out << text << std::flush;
    return absl::OkStatus();
  }

  const ChatOptions& options_;
  HttpClient& client_;
  const std::string model_;
  Json messages_;
};

absl::StatusOr<std::string> FirstModel(HttpClient& client) {
  SY_ASSIGN_OR_RETURN(const HttpAnswer answer, client.Get("/v1/models"));
  const absl::StatusOr<Json> json = ParseJson(answer.body);
  if (answer.status == 200 && json.ok()) {
    if (const Json& id = At(First(At(*json, "data")), "id"); id.is_string()) {
      return id.get<std::string>();
    }
  }
  return absl::UnavailableError(fmt::format("the server lists no models (HTTP {})", answer.status));
}

}  // namespace

absl::Status RunChat(const ChatOptions& options, std::istream& in, std::ostream& out,
                     const std::atomic<int>& interrupts) {
  SY_ASSIGN_OR_RETURN(HttpAddress address, ParseHttpAddress(options.url));
  HttpClient client(std::move(address), &interrupts);
  std::string model = options.model;
  if (model.empty()) {
    SY_ASSIGN_OR_RETURN(model, FirstModel(client));
  }
  Conversation conversation(options, client, model);
  if (!options.message.empty()) return conversation.Ask(options.message, out);

  const bool terminal = isatty(STDIN_FILENO) != 0;
  if (terminal) out << model << " at " << options.url << "; /reset forgets, /quit leaves\n";
  std::string line;
  while (true) {
    if (terminal) out << "> " << std::flush;
    const int interrupts_before = interrupts;
    if (!std::getline(in, line) || line == "/quit") {
      const bool stopped = !terminal && interrupts != interrupts_before;
      return stopped ? absl::CancelledError("stopped") : absl::OkStatus();
    }
    if (line == "/reset") {
      conversation.Reset();
    } else if (!line.empty()) {
      const absl::Status status = conversation.Ask(line, out);
      if (!status.ok() && !terminal) return status;
      if (!status.ok()) out << "(" << OneLine(switchyard::Message(status)) << ")" << std::endl;
    }
  }
}

}  // namespace switchyard::cli
