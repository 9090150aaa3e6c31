#include "coordinator/gateway/http_parser.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <iterator>
#include <utility>

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
  return std::string(target.substr(0, target.find('?')));
}

void HttpParser::CheckHeader() {
  if (header_checked_ || !impl_->parser.is_header_done()) return;
  header_checked_ = true;
  const auto& message = impl_->parser.get();
  // Its body would be read as the next request.
  if (!message[http::field::transfer_encoding].empty() && !message.chunked()) {
    return Fail(501, "of transfer encodings only chunked is supported");
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

std::optional<HttpRequest> HttpParser::Next() {
  if (error_ || buffer_.empty()) return std::nullopt;
  auto& parser = impl_->parser;
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

  const bool keep_alive = parser.keep_alive();
  auto message = parser.release();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) request.query = target.substr(question + 1);
  request.authorization = std::string(message[http::field::authorization]);
  request.api_key = std::string(message["X-Api-Key"]);
  request.content_type = std::string(message[http::field::content_type]);
  request.content_encoding = Joined(message, http::field::content_encoding);
  request.tenant = std::string(message["X-Tenant"]);
  request.origin = std::string(message[http::field::origin]);
  request.requested_method = std::string(message[http::field::access_control_request_method]);
  request.requested_headers = std::string(message[http::field::access_control_request_headers]);
  request.body = std::move(message.body());
  request.keep_alive = keep_alive;
  request.http_1_0 = message.version() < 11;
  impl_ = std::make_unique<Impl>(limits_);
  expect_continue_answered_ = header_checked_ = false;
  return request;
}

}  // namespace switchyard::gateway
