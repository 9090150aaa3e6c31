// A small HTTP/1.1 client for commands that talk to a server of the OpenAI dialect: one request at
// a time, answers whole or as they stream. Blocking; one thread.
#ifndef SWITCHYARD_CLI_HTTP_CLIENT_H_
#define SWITCHYARD_CLI_HTTP_CLIENT_H_

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::cli {

struct HttpAddress {
  std::string host;
  std::string port;
};

// "http://host:port", "host:port" or "host". INVALID_ARGUMENT for anything else, https included.
absl::StatusOr<HttpAddress> ParseHttpAddress(std::string_view url);

struct HttpAnswer {
  int status = 0;
  std::string body;
};

class HttpClient {
 public:
  // What waits for the server ends with CANCELLED soon after `interrupts` counts up; may be null.
  // `key` goes along as Authorization; empty: none does. REQUIRES: it has visible characters only.
  explicit HttpClient(HttpAddress address, const std::atomic<int>* interrupts = nullptr,
                      std::string key = "")
      : address_(std::move(address)), interrupts_(interrupts), key_(std::move(key)) {}

  // UNAVAILABLE, naming the address, when nobody listens or the connection breaks;
  // DEADLINE_EXCEEDED when the whole answer has not come after 30 s.
  absl::StatusOr<HttpAnswer> Get(const std::string& path);
  absl::StatusOr<HttpAnswer> Post(const std::string& path, const Json& body);

  // Posts and hands over the payload of every server-sent event but the last ("[DONE]"); `on_event`
  // returns false to hang up. An answer that is no event stream comes back as an error with its
  // message. Waits for tokens as long as the server lets it.
  absl::Status PostStream(const std::string& path, const Json& body,
                          const std::function<bool(std::string_view payload)>& on_event);

 private:
  const HttpAddress address_;
  const std::atomic<int>* const interrupts_;
  const std::string key_;
};

// The message of an OpenAI error object; the body itself if it is none.
std::string ErrorMessage(const std::string& body);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_HTTP_CLIENT_H_
