#include "coordinator/gateway/http_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <iterator>
#include <utility>

#include "coordinator/gateway/random_id.h"

namespace switchyard::gateway {

namespace beast = boost::beast;
namespace http = beast::http;

namespace {

// A header that may stand there several times, as if it stood there once.
std::string Joined(const http::fields& fields, http::field name) {
  std::string joined;
  const auto [begin, end] = fields.equal_range(name);
  for (auto field = begin; field != end; ++field) {
    if (!joined.empty()) joined += ", ";
    joined += std::string(field->value());
  }
  return joined;
}

constexpr size_t kMaxIdBytes = 128;

// The client's own, if it is short and of visible ASCII characters.
std::string RequestId(std::string_view given) {
  const bool visible =
      std::all_of(given.begin(), given.end(), [](char c) { return c > ' ' && c < 0x7F; });
  const bool is_fit = visible && !given.empty() && given.size() <= kMaxIdBytes;
  return is_fit ? std::string(given) : RandomName("req");
}

// "http://host:port/path?query", as proxies write it, without scheme and host (RFC 9112, 3.2.2).
std::string_view OriginForm(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    const std::string_view begin = target.substr(0, scheme.size());
    if (!beast::iequals({begin.data(), begin.size()}, {scheme.data(), scheme.size()})) continue;
    const size_t end = target.find_first_of("/?", scheme.size());
    if (end == target.npos) return "/";
    target.remove_prefix(end);
    break;
  }
  return target;
}

// The target before '?'.
std::string PathOf(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.empty() ? "/" : std::string(path);
}

}  // namespace

struct HttpParser::Impl {
  explicit Impl(const HttpParserLimits& limits) {
    parser.header_limit(static_cast<uint32_t>(limits.max_header_bytes));
    parser.body_limit(static_cast<uint64_t>(limits.max_body_bytes));
    parser.eager(true);
  }
  http::request_parser<http::string_body> parser;
};

HttpParser::HttpParser(const HttpParserLimits& limits)
    : limits_(limits), impl_(std::make_unique<Impl>(limits)) {}

HttpParser::~HttpParser() = default;

void HttpParser::Append(std::string_view bytes) { buffer_ += bytes; }

bool HttpParser::in_request() const { return impl_->parser.got_some() || !buffer_.empty(); }

void HttpParser::Fail(int status, std::string message) {
  error_ = HttpParseError{status, std::move(message)};
  buffer_.clear();
}

std::string HttpParser::path() const {
  const auto target = impl_->parser.get().target();
  return target.empty() ? "" : PathOf(OriginForm({target.data(), target.size()}));
}

std::string HttpParser::origin() const {
  return std::string(impl_->parser.get()[http::field::origin]);
}

std::string HttpParser::request_id() const {
  const auto given = impl_->parser.get()["X-Request-Id"];
  return RequestId({given.data(), given.size()});
}

void HttpParser::CheckHeader() {
  if (header_checked_ || !impl_->parser.is_header_done()) return;
  header_checked_ = true;
  const auto& message = impl_->parser.get();
  // Of any other its body would be taken for what it is not, or for the next request.
  const std::string coding = Joined(message, http::field::transfer_encoding);
  if (!coding.empty() && !beast::iequals(coding, "chunked")) {
    return Fail(501, "of transfer encodings only chunked is supported");
  }
  const auto num_hosts = message.count(http::field::host);
  if (num_hosts > 1 || (num_hosts == 0 && message.version() >= 11)) {
    return Fail(400, "malformed HTTP request: it must have one header Host");
  }
  if (std::distance(message.begin(), message.end()) > limits_.max_header_fields) {
    Fail(431, fmt::format("the header has more than {} fields", limits_.max_header_fields));
  }
}

bool HttpParser::TakeExpectContinue() {
  if (error_ || expect_continue_answered_ || !impl_->parser.is_header_done()) return false;
  const auto& message = impl_->parser.get();
  expect_continue_answered_ = true;
  return message.version() >= 11 && beast::iequals(message[http::field::expect], "100-continue");
}

std::optional<HttpRequest> HttpParser::TakeHead() {
  if (error_ || head_taken_ || !impl_->parser.is_header_done()) return std::nullopt;
  head_taken_ = true;
  return MakeRequest();
}

std::optional<HttpRequest> HttpParser::Next() {
  if (error_ || buffer_.empty()) return std::nullopt;
  auto& parser = impl_->parser;
  // Old clients send an empty line behind a body (RFC 9112, 2.2).
  if (!parser.got_some() && !line_skipped_) {
    if (buffer_ == "\r") return std::nullopt;
    line_skipped_ = buffer_.starts_with("\r\n");
    if (line_skipped_) buffer_.erase(0, 2);
    if (buffer_.empty()) return std::nullopt;
  }
  beast::error_code ec;
  const size_t num_used = parser.put(boost::asio::buffer(buffer_), ec);
  buffer_.erase(0, num_used);
  if (ec == http::error::body_limit) {
    Fail(413, fmt::format("the body is larger than {} bytes", limits_.max_body_bytes));
  } else if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    Fail(431, fmt::format("the header is larger than {} bytes", limits_.max_header_bytes));
  } else if (ec && ec != http::error::need_more) {
    Fail(400, fmt::format("malformed HTTP request: {}", ec.message()));
  } else if (ec && int64_t(buffer_.size()) > limits_.max_header_bytes) {
    // The packaged parser puts no bound on the line before a chunk; what it leaves unread is
    // bounded here.
    Fail(431, fmt::format("a chunk's header is larger than {} bytes", limits_.max_header_bytes));
  }
  if (!error_) CheckHeader();
  if (error_ || !parser.is_done()) return std::nullopt;

  HttpRequest request = MakeRequest();
  request.body = std::move(parser.get().body());
  impl_ = std::make_unique<Impl>(limits_);
  expect_continue_answered_ = header_checked_ = head_taken_ = line_skipped_ = false;
  return request;
}

HttpRequest HttpParser::MakeRequest() const {
  const auto& message = impl_->parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target = OriginForm({message.target().data(), message.target().size()});
  request.path = PathOf(target);
  const size_t question = target.find('?');
  if (question != target.npos) request.query = std::string(target.substr(question + 1));
  request.authorization = std::string(message[http::field::authorization]);
  request.api_key = std::string(message["X-Api-Key"]);
  request.content_type = std::string(message[http::field::content_type]);
  request.content_encoding = Joined(message, http::field::content_encoding);
  request.tenant = std::string(message["X-Tenant"]);
  request.request_id = request_id();
  request.origin = origin();
  request.requested_method = std::string(message[http::field::access_control_request_method]);
  request.requested_headers = std::string(message[http::field::access_control_request_headers]);
  request.keep_alive = impl_->parser.keep_alive();
  request.http_1_0 = message.version() < 11;
  return request;
}

}  // namespace switchyard::gateway
