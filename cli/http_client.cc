#include "cli/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace switchyard::cli {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;

constexpr uint64_t kMaxBodyBytes = 64u << 20;

http::request<http::string_body> MakeRequest(http::verb verb, const HttpAddress& address,
                                             const std::string& path, std::string body) {
  http::request<http::string_body> request(verb, path, 11);
  request.set(http::field::host, address.host + ":" + address.port);
  request.set(http::field::user_agent, "switchyard");
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

// One connection for one exchange; Beast's exceptions end in Status here.
class Exchange {
 public:
  explicit Exchange(const HttpAddress& address) : address_(address), socket_(io_) {}

  template <typename Work>
  absl::Status Run(const http::request<http::string_body>& request, Work work) {
    try {
      tcp::resolver resolver(io_);
      boost::asio::connect(socket_, resolver.resolve(address_.host, address_.port));
      http::write(socket_, request);
      return work();
    } catch (const boost::system::system_error& error) {
      return absl::UnavailableError(
          fmt::format("{}:{}: {}", address_.host, address_.port, error.code().message()));
    }
  }

  tcp::socket& socket() { return socket_; }
  beast::flat_buffer& buffer() { return buffer_; }

 private:
  const HttpAddress& address_;
  boost::asio::io_context io_;
  tcp::socket socket_;
  beast::flat_buffer buffer_;
};

absl::StatusOr<HttpAnswer> RunWhole(const HttpAddress& address,
                                    const http::request<http::string_body>& request) {
  Exchange exchange(address);
  HttpAnswer answer;
  SY_RETURN_IF_ERROR(exchange.Run(request, [&]() -> absl::Status {
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxBodyBytes);
    http::read(exchange.socket(), exchange.buffer(), parser);
    answer.status = parser.get().result_int();
    answer.body = std::move(parser.get().body());
    return absl::OkStatus();
  }));
  return answer;
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
                       address.port.find_first_not_of("0123456789") == std::string::npos;
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
  return RunWhole(address_, MakeRequest(http::verb::get, address_, path, ""));
}

absl::StatusOr<HttpAnswer> HttpClient::Post(const std::string& path, const Json& body) {
  return RunWhole(address_, MakeRequest(http::verb::post, address_, path, body.dump()));
}

absl::Status HttpClient::PostStream(const std::string& path, const Json& body,
                                    const std::function<bool(std::string_view)>& on_event) {
  Exchange exchange(address_);
  return exchange.Run(
      MakeRequest(http::verb::post, address_, path, body.dump()), [&]() -> absl::Status {
        http::response_parser<http::string_body> parser;
        parser.body_limit(kMaxBodyBytes);
        http::read_header(exchange.socket(), exchange.buffer(), parser);
        if (parser.get().result_int() != 200) {
          http::read(exchange.socket(), exchange.buffer(), parser);
          return absl::UnavailableError(fmt::format("HTTP {}: {}", parser.get().result_int(),
                                                    ErrorMessage(parser.get().body())));
        }
        std::string text;
        while (!parser.is_done()) {
          http::read_some(exchange.socket(), exchange.buffer(), parser);
          text += parser.get().body();
          parser.get().body().clear();
          if (!TakeEvents(text, on_event)) return absl::OkStatus();
        }
        return absl::OkStatus();
      });
}

}  // namespace switchyard::cli
