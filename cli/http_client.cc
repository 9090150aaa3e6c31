#include "cli/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>

namespace switchyard::cli {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;

constexpr uint64_t kMaxBodyBytes = 64u << 20;
constexpr std::chrono::milliseconds kPollInterval(100);
constexpr std::chrono::seconds kConnectDeadline(10);
constexpr std::chrono::seconds kAnswerDeadline(30);

http::request<http::string_body> MakeRequest(http::verb verb, const HttpAddress& address,
                                             const std::string& key, const std::string& path,
                                             std::string body) {
  http::request<http::string_body> request(verb, path, 11);
  request.set(http::field::host, address.host + ":" + address.port);
  request.set(http::field::user_agent, "switchyard");
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  if (!key.empty()) request.set(http::field::authorization, "Bearer " + key);
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

// One connection for one exchange. Every wait looks at the interrupts and at the deadline.
class Exchange {
 public:
  using Deadline = std::optional<std::chrono::seconds>;

  Exchange(const HttpAddress& address, const std::atomic<int>* interrupts)
      : address_(address),
        interrupts_(interrupts),
        interrupts_before_(interrupts == nullptr ? 0 : interrupts->load()),
        socket_(io_) {}

  // Connects and sends `request`. `deadline` is for this and all that is read afterwards.
  absl::Status Send(const http::request<http::string_body>& request, Deadline deadline) {
    boost::system::error_code error;
    tcp::resolver resolver(io_);
    const auto endpoints = resolver.resolve(address_.host, address_.port, error);
    if (error) return ToStatus(error);
    SetDeadline(kConnectDeadline);
    SY_RETURN_IF_ERROR(
        Await([&](auto done) { boost::asio::async_connect(socket_, endpoints, std::move(done)); }));
    SetDeadline(deadline);
    return Await([&](auto done) { http::async_write(socket_, request, std::move(done)); });
  }

  template <typename Parser>
  absl::Status ReadHeader(Parser& parser) {
    return Await(
        [&](auto done) { http::async_read_header(socket_, buffer_, parser, std::move(done)); });
  }
  template <typename Parser>
  absl::Status ReadSome(Parser& parser) {
    return Await(
        [&](auto done) { http::async_read_some(socket_, buffer_, parser, std::move(done)); });
  }
  template <typename Parser>
  absl::Status ReadAll(Parser& parser) {
    return Await([&](auto done) { http::async_read(socket_, buffer_, parser, std::move(done)); });
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool Interrupted() const { return interrupts_ != nullptr && *interrupts_ != interrupts_before_; }
  void SetDeadline(Deadline deadline) {
    deadline_ = deadline ? Clock::now() + *deadline : Clock::time_point::max();
  }

  // Starts an operation and runs it to its end.
  template <typename Start>
  absl::Status Await(Start start) {
    std::optional<boost::system::error_code> result;
    start([&](const boost::system::error_code& error, const auto&...) { result = error; });
    io_.restart();
    while (!result) {
      io_.run_for(kPollInterval);
      if (result) break;
      late_ = Clock::now() > deadline_;
      boost::system::error_code ignored;
      if (late_ || Interrupted()) socket_.close(ignored);  // ends the operation
    }
    // Also after a success: tokens may come so fast that nothing waits long enough to look.
    return *result || Interrupted() ? ToStatus(*result) : absl::OkStatus();
  }

  absl::Status ToStatus(const boost::system::error_code& error) const {
    if (Interrupted()) return absl::CancelledError("stopped");
    const std::string where = fmt::format("{}:{}", address_.host, address_.port);
    if (late_) return absl::DeadlineExceededError(fmt::format("{}: does not answer", where));
    return absl::UnavailableError(fmt::format("{}: {}", where, error.message()));
  }

  const HttpAddress& address_;
  const std::atomic<int>* const interrupts_;
  const int interrupts_before_;
  boost::asio::io_context io_;
  tcp::socket socket_;
  beast::flat_buffer buffer_;
  Clock::time_point deadline_;
  bool late_ = false;
};

absl::StatusOr<HttpAnswer> RunWhole(const HttpAddress& address, const std::atomic<int>* interrupts,
                                    const http::request<http::string_body>& request) {
  Exchange exchange(address, interrupts);
  SY_RETURN_IF_ERROR(exchange.Send(request, kAnswerDeadline));
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxBodyBytes);
  SY_RETURN_IF_ERROR(exchange.ReadAll(parser));
  return HttpAnswer{.status = int(parser.get().result_int()),
                    .body = std::move(parser.get().body())};
}

// Hands over the complete events of `text` and keeps the rest. False when the receiver hangs up or
// the stream is done.
bool TakeEvents(std::string& text, const std::function<bool(std::string_view)>& on_event) {
  for (size_t end = text.find("\n\n"); end != std::string::npos; end = text.find("\n\n")) {
    const std::string event = text.substr(0, end);
    text.erase(0, end + 2);
    constexpr std::string_view kField = "data: ";
    if (event.compare(0, kField.size(), kField) != 0) continue;
    const std::string_view payload = std::string_view(event).substr(kField.size());
    if (payload == "[DONE]" || !on_event(payload)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<HttpAddress> ParseHttpAddress(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (url.substr(0, kScheme.size()) == kScheme) url.remove_prefix(kScheme.size());
  while (!url.empty() && url.back() == '/') url.remove_suffix(1);
  const size_t colon = url.rfind(':');
  const bool has_port = colon != std::string_view::npos;
  HttpAddress address{.host = std::string(url.substr(0, colon)),
                      .port = has_port ? std::string(url.substr(colon + 1)) : "80"};
  const bool port_ok = !address.port.empty() && address.port.size() <= 5 &&
                       address.port.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoi(address.port) <= 65535;
  if (address.host.empty() || address.host.find('/') != std::string::npos || !port_ok) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is no address of the form http://host:port", url));
  }
  return address;
}

std::string ErrorMessage(const std::string& body) {
  const absl::StatusOr<Json> json = ParseJson(body);
  if (!json.ok() || !json->is_object() || !json->contains("error")) return body;
  const Json& error = (*json)["error"];
  if (!error.is_object() || !error.contains("message") || !error["message"].is_string())
    return body;
  return error["message"].get<std::string>();
}

absl::StatusOr<HttpAnswer> HttpClient::Get(const std::string& path) {
  return RunWhole(address_, interrupts_, MakeRequest(http::verb::get, address_, key_, path, ""));
}

absl::StatusOr<HttpAnswer> HttpClient::Post(const std::string& path, const Json& body) {
  return RunWhole(address_, interrupts_,
                  MakeRequest(http::verb::post, address_, key_, path, body.dump()));
}

absl::Status HttpClient::PostStream(const std::string& path, const Json& body,
                                    const std::function<bool(std::string_view)>& on_event) {
  Exchange exchange(address_, interrupts_);
  SY_RETURN_IF_ERROR(exchange.Send(MakeRequest(http::verb::post, address_, key_, path, body.dump()),
                                   /*deadline=*/std::nullopt));
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxBodyBytes);
  SY_RETURN_IF_ERROR(exchange.ReadHeader(parser));
  if (parser.get().result_int() != 200) {
    SY_RETURN_IF_ERROR(exchange.ReadAll(parser));
    return absl::UnavailableError(
        fmt::format("HTTP {}: {}", parser.get().result_int(), ErrorMessage(parser.get().body())));
  }
  std::string text;
  while (!parser.is_done()) {
    SY_RETURN_IF_ERROR(exchange.ReadSome(parser));
    text += parser.get().body();
    parser.get().body().clear();
    if (!TakeEvents(text, on_event)) return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace switchyard::cli
