// The chat client against servers that answer well, badly, and not at all.
#include "cli/chat_command.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace switchyard::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kModels[] = R"({"data": [{"id": "tiny"}]})";

std::string Answer(const std::string& body, const char* status = "200 OK") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string Delta(const std::string& text) {
  return R"(data: {"choices": [{"delta": {"content": ")" + text + "\"}}]}\n\n";
}

// Gives each connection its answer, in order; an empty one says nothing and waits for the client to
// leave.
class CannedServer {
 public:
  explicit CannedServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, generic, size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~CannedServer() {
    shutdown(listener_, SHUT_RDWR);  // ends an accept that still waits
    thread_.join();
    close(listener_);
  }

  // What came so far.
  std::string requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void Serve() {
    for (const std::string& answer : answers_) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      char bytes[4096];
      ssize_t count = read(connection, bytes, sizeof(bytes));
      if (count > 0) {
        std::lock_guard lock(mutex_);
        requests_.append(bytes, static_cast<size_t>(count));
      }
      if (!answer.empty()) {
        EXPECT_EQ(write(connection, answer.data(), answer.size()), ssize_t(answer.size()));
        shutdown(connection, SHUT_WR);
      }
      while (count > 0) count = read(connection, bytes, sizeof(bytes));
      close(connection);
    }
  }

  const std::vector<std::string> answers_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::string requests_;
  std::thread thread_;
};

struct ChatResult {
  absl::Status status;
  std::string text;
};

ChatResult Chat(const CannedServer& server, const std::string& message,
                const std::string& typed = "", bool color = false) {
  std::atomic<int> interrupts{0};
  std::istringstream in(typed);
  std::ostringstream out;
  absl::Status status =
      RunChat({.url = server.url(), .message = message, .color = color}, in, out, interrupts);
  return {std::move(status), out.str()};
}

TEST(ChatCommand, WritesTheAnswerAsItComes) {
  const CannedServer server(
      {Answer(kModels), Answer(Delta("Hel") + Delta("lo") + "data: [DONE]\n\n")});
  const ChatResult result = Chat(server, "hi");
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.text, "Hello\n");
}

TEST(ChatCommand, ShowsItsKeyWithEveryRequest) {
  for (const char* key : {"", "sk-alice"}) {
    const CannedServer server({Answer(kModels), Answer(Delta("Hello") + "data: [DONE]\n\n")});
    std::atomic<int> interrupts{0};
    std::istringstream in;
    std::ostringstream out;
    const absl::Status status =
        RunChat({.url = server.url(), .key = key, .message = "hi"}, in, out, interrupts);
    EXPECT_TRUE(status.ok()) << status;
    const std::string requests = server.requests();
    const std::string shown = "Authorization: Bearer sk-alice\r\n";
    const size_t first = requests.find(shown);
    EXPECT_EQ(first != std::string::npos, *key != '\0') << requests;
    EXPECT_EQ(requests.find(shown, first + 1) != std::string::npos, *key != '\0') << requests;
  }
  std::atomic<int> interrupts{0};
  std::istringstream in;
  std::ostringstream out;
  EXPECT_TRUE(
      absl::IsInvalidArgument(RunChat({.key = "a\r\nX: y", .message = "hi"}, in, out, interrupts)));
}

TEST(ChatCommand, AnswersEachLineOfTheInput) {
  const CannedServer server({Answer(kModels), Answer(Delta("one") + "data: [DONE]\n\n"),
                             Answer(Delta("two") + "data: [DONE]\n\n")});
  const ChatResult result = Chat(server, "", "first\n/reset\n\nsecond\n/quit\nthird\n");
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.text, HasSubstr("one\n"));
  EXPECT_THAT(result.text, HasSubstr("two\n"));
}

TEST(ChatCommand, ThoughtsAreForTerminals) {
  const std::string events =
      "data: {\"choices\": [{\"delta\": {\"reasoning_content\": \"Hm.\"}}]}\n\n" + Delta("Yes.") +
      "data: {\"choices\": [], \"usage\": {\"completion_tokens\": 7}}\n\ndata: [DONE]\n\n";
  const CannedServer plain({Answer(kModels), Answer(events)});
  EXPECT_EQ(Chat(plain, "hi").text, "Yes.\n");
  const CannedServer colored({Answer(kModels), Answer(events)});
  const std::string text = Chat(colored, "hi", "", /*color=*/true).text;
  EXPECT_THAT(text, ::testing::StartsWith("\x1b[2mHm.\n\x1b[0mYes.\n\x1b[2m(7 tokens, "));
  EXPECT_THAT(text, ::testing::EndsWith(" tokens/s)\x1b[0m\n"));
}

TEST(ChatCommand, SavesTheConversation) {
  const std::string path = ::testing::TempDir() + "/conversation.json";
  const CannedServer server({Answer(kModels), Answer(Delta("one") + "data: [DONE]\n\n"),
                             Answer(Delta("two") + "data: [DONE]\n\n")});
  const ChatResult result =
      Chat(server, "", "first\n/clear\n/system Be brief.\nsecond\n/save " + path + "\n/quit\n");
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(ParseJson(ReadFile(path, 1 << 20).value()).value().dump(),
            R"([{"role":"system","content":"Be brief."},{"role":"user","content":"second"},)"
            R"({"role":"assistant","content":"two"}])");
}

// What looks like a command and is none must not reach the model.
TEST(ChatCommand, AnUnknownCommandIsNoQuestion) {
  for (const char* typed : {"/savee x\n", "/\n", "/clear all\n", "/system\n/what's this?\n"}) {
    const CannedServer server({Answer(kModels)});
    const ChatResult result = Chat(server, "", typed);
    EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument) << typed;
    EXPECT_THAT(std::string(result.status.message()), HasSubstr("/help"));
    EXPECT_EQ(server.requests().find("POST"), std::string::npos) << typed;
  }
}

TEST(ChatCommand, ASecondSlashMakesItAQuestion) {
  const std::string path = ::testing::TempDir() + "/slash.json";
  const CannedServer server({Answer(kModels), Answer(Delta("one") + "data: [DONE]\n\n")});
  const ChatResult result = Chat(server, "", "//etc/hosts?\n/save " + path + " \n/quit \nmore\n");
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(ParseJson(ReadFile(path, 1 << 20).value()).value()[0]["content"], "/etc/hosts?");
}

TEST(ChatCommand, HelpListsTheCommands) {
  const CannedServer server({Answer(kModels)});
  const ChatResult result = Chat(server, "", "/help\n");
  EXPECT_TRUE(result.status.ok()) << result.status;
  for (const char* command : {"/clear", "/system", "/save", "/help", "/quit", "//"}) {
    EXPECT_THAT(result.text, HasSubstr(command));
  }
}

TEST(ChatCommand, SavingNeedsAFile) {
  const CannedServer server({Answer(kModels)});
  EXPECT_EQ(Chat(server, "", "/save\n").status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(ChatCommand, TellsWhatTheServerSaysIsWrong) {
  const std::string error = R"({"error": {"message": "the queue is full"}})";
  for (const std::string& answer :
       {Answer(error, "429 Too Many Requests"), Answer("data: " + error + "\n\n")}) {
    const CannedServer server({Answer(kModels), answer});
    const ChatResult result = Chat(server, "hi");
    EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(result.status.message()), HasSubstr("the queue is full"));
  }
}

TEST(ChatCommand, SurvivesAnswersOfAnyShape) {
  for (const char* models : {"[]", "7", R"({"data": [3]})", R"({"data": [{"id": 3}]})", "{"}) {
    const CannedServer server({Answer(models)});
    EXPECT_EQ(Chat(server, "hi").status.code(), absl::StatusCode::kUnavailable) << models;
  }
  for (const char* event : {"7", R"({"choices": 1})", R"({"choices": [1]})",
                            R"({"choices": [{"delta": 1}]})", R"({"error": null})"}) {
    const CannedServer server(
        {Answer(kModels), Answer("data: " + std::string(event) + "\n\ndata: [DONE]\n\n")});
    const ChatResult result = Chat(server, "hi");
    EXPECT_TRUE(result.status.ok()) << event << ": " << result.status;
  }
}

TEST(ChatCommand, AnInterruptEndsTheWaitForASilentServer) {
  for (const std::vector<std::string>& answers :
       {std::vector<std::string>{""}, {Answer(kModels), ""}}) {
    const CannedServer server(answers);
    std::atomic<int> interrupts{0};
    std::istringstream in;
    std::ostringstream out;
    std::thread finger([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      ++interrupts;
    });
    const absl::Status status =
        RunChat({.url = server.url(), .message = "hi"}, in, out, interrupts);
    finger.join();
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  }
}

TEST(ChatCommand, NamesTheAddressWhereNobodyListens) {
  std::atomic<int> interrupts{0};
  std::istringstream in;
  std::ostringstream out;
  const absl::Status status =
      RunChat({.url = "http://127.0.0.1:1", .message = "hi"}, in, out, interrupts);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1:1"));
  for (const char* url : {"https://a:1", "http://a:65536", "http://a:x", "http://", ""}) {
    EXPECT_EQ(RunChat({.url = url, .message = "hi"}, in, out, interrupts).code(),
              absl::StatusCode::kInvalidArgument)
        << url;
  }
}

}  // namespace
}  // namespace switchyard::cli
