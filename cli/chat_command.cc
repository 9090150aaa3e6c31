#include "cli/chat_command.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <istream>
#include <ostream>

#include "base/exit_code.h"
#include "base/file.h"
#include "cli/http_client.h"

namespace switchyard::cli {
namespace {

constexpr std::string_view kHelp =
    "/clear        forgets the conversation, but not the system message; so does /reset\n"
    "/system TEXT  sets the system message; without TEXT, none\n"
    "/save FILE    writes the conversation as the JSON list of messages that the API takes\n"
    "/help         this list\n"
    "/quit         leaves\n"
    "//...         asks what begins with a slash, without the first one\n";

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

// Writes one answer while it comes.
class AnswerWriter {
 public:
  AnswerWriter(bool color, std::ostream& out) : color_(color), out_(out) {}

  // The payload of one event.
  absl::Status Take(std::string_view payload) {
    SY_ASSIGN_OR_RETURN(const Json json, ParseJson(payload));
    if (!At(json, "error").is_null())
      return absl::UnavailableError(ErrorMessage(std::string(payload)));
    if (const Json& count = At(At(json, "usage"), "completion_tokens"); count.is_number_integer()) {
      num_tokens_ = count.get<int64_t>();
    }
    const Json& delta = At(First(At(json, "choices")), "delta");
    if (const Json& thoughts = At(delta, "reasoning_content"); thoughts.is_string()) {
      Write(thoughts.get<std::string>(), /*dim=*/true);
    }
    if (const Json& content = At(delta, "content"); content.is_string()) {
      content_ += content.get<std::string>();
      Write(content.get<std::string>(), /*dim=*/false);
    }
    return absl::OkStatus();
  }

  void End() {
    Dim(false);
    if (has_written_) out_ << std::endl;
    if (!color_ || num_tokens_ == 0 || !has_written_) return;
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun_;
    out_ << fmt::format("\x1b[2m({} tokens, {:.1f} tokens/s)\x1b[0m", num_tokens_,
                        double(num_tokens_) / taken.count())
         << std::endl;
  }

  const std::string& content() const { return content_; }

 private:
  void Write(const std::string& text, bool dim) {
    if (text.empty() || (dim && !color_)) return;
    if (dimmed_ && !dim) out_ << "\n";
    Dim(dim);
    out_ << text << std::flush;
    has_written_ = true;
  }
  void Dim(bool dim) {
    if (dim != dimmed_) out_ << (dim ? "\x1b[2m" : "\x1b[0m");
    dimmed_ = dim;
  }

  const bool color_;
  std::ostream& out_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::string content_;
  int64_t num_tokens_ = 0;
  bool has_written_ = false;
  bool dimmed_ = false;
};

class Conversation {
 public:
  Conversation(const ChatOptions& options, HttpClient& client, std::string model)
      : options_(options), client_(client), model_(std::move(model)), system_(options.system) {}

  void Clear() { messages_ = Json::array(); }
  void SetSystem(std::string text) { system_ = std::move(text); }
  absl::Status Save(const std::string& path) const {
    if (path.empty()) return absl::InvalidArgumentError("/save needs the name of a file");
    return WriteFile(path, WithSystem().dump(2) + "\n");
  }

  // Asks and writes the answer while it comes. An answer that broke off is not remembered.
  absl::Status Ask(const std::string& question, std::ostream& out) {
    Json request{{"model", model_}, {"messages", WithSystem()}, {"stream", true}};
    if (options_.color) request["stream_options"] = Json{{"include_usage", true}};
    request["messages"].push_back(Message("user", question));
    if (options_.temperature.has_value()) request["temperature"] = *options_.temperature;
    if (options_.max_tokens > 0) request["max_tokens"] = options_.max_tokens;
    if (options_.think) request["chat_template_kwargs"] = Json{{"enable_thinking", true}};
    AnswerWriter answer(options_.color, out);
    absl::Status failure;
    const absl::Status sent =
        client_.PostStream("/v1/chat/completions", request, [&](std::string_view payload) {
          failure = answer.Take(payload);
          return failure.ok();
        });
    answer.End();
    SY_RETURN_IF_ERROR(sent);
    SY_RETURN_IF_ERROR(failure);
    messages_.push_back(Message("user", question));
    messages_.push_back(Message("assistant", answer.content()));
    return absl::OkStatus();
  }

 private:
  Json WithSystem() const {
    Json messages = Json::array();
    if (!system_.empty()) messages.push_back(Message("system", system_));
    messages.insert(messages.end(), messages_.begin(), messages_.end());
    return messages;
  }

  const ChatOptions& options_;
  HttpClient& client_;
  const std::string model_;
  std::string system_;
  Json messages_ = Json::array();  // without the system message
};

// A line that begins with a slash: "/save  a file" -> "/save", "a file".
struct TypedCommand {
  std::string name;
  std::string argument;  // without the blanks around it
};
TypedCommand ParseCommand(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
  const size_t end = std::min(line.find_first_of(kBlanks), line.size());
  const size_t argument = std::min(line.find_first_not_of(kBlanks, end), line.size());
  return {.name = std::string(line.substr(0, end)), .argument = std::string(line.substr(argument))};
}

// One line of the input that is not "/quit".
absl::Status Obey(const std::string& line, Conversation& conversation, std::ostream& out) {
  if (line.empty()) return absl::OkStatus();
  if (line.front() != '/') return conversation.Ask(line, out);
  if (line.rfind("//", 0) == 0) return conversation.Ask(line.substr(1), out);
  const auto [name, argument] = ParseCommand(line);
  if (name == "/system") {
    conversation.SetSystem(argument);
    return absl::OkStatus();
  }
  if (name == "/save") return conversation.Save(argument);
  if (!argument.empty() || (name != "/clear" && name != "/reset" && name != "/help")) {
    return absl::InvalidArgumentError(fmt::format(
        "there is no command '{}': /help lists them; a question that begins with / takes another "
        "/ before it",
        argument.empty() ? name : name + " " + argument));
  }
  if (name == "/help") {
    out << kHelp << std::flush;
  } else {
    conversation.Clear();
  }
  return absl::OkStatus();
}

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
  const bool visible = std::all_of(options.key.begin(), options.key.end(),
                                   [](char c) { return c > ' ' && c < 0x7F; });
  if (!visible) return absl::InvalidArgumentError("the API key has invisible characters");
  HttpClient client(std::move(address), &interrupts, options.key);
  std::string model = options.model;
  if (model.empty()) {
    SY_ASSIGN_OR_RETURN(model, FirstModel(client));
  }
  Conversation conversation(options, client, model);
  if (!options.message.empty()) return conversation.Ask(options.message, out);

  const bool terminal = isatty(STDIN_FILENO) != 0;
  if (terminal) out << model << " at " << options.url << "; /help lists commands, /quit leaves\n";
  std::string line;
  while (true) {
    if (terminal) out << "> " << std::flush;
    const int interrupts_before = interrupts;
    if (!std::getline(in, line) || ParseCommand(line).name == "/quit") {
      const bool stopped = !terminal && interrupts != interrupts_before;
      return stopped ? absl::CancelledError("stopped") : absl::OkStatus();
    }
    const absl::Status status = Obey(line, conversation, out);
    if (!status.ok() && !terminal) return status;
    if (!status.ok()) out << "(" << OneLine(switchyard::Message(status)) << ")" << std::endl;
  }
}

}  // namespace switchyard::cli
