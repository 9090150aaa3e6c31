// Bytes of one connection -> HTTP/1.x requests, within limits. No socket: the connection feeds it,
// and so does the fuzz target.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_HTTP_PARSER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_HTTP_PARSER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "coordinator/gateway/http_message.h"

namespace switchyard::gateway {

struct HttpParserLimits {
  int64_t max_header_bytes = 16 << 10;  // request line and header fields
  int max_header_fields = 100;
  int64_t max_body_bytes = 8 << 20;
};

// Why a connection's bytes are no request; nothing after them can be read.
struct HttpParseError {
  int status =
      400;  // 400 malformed, 413 body too large, 431 header too large or too many, 501 encoding
  std::string message;
};

// Not thread-safe.
class HttpParser {
 public:
  explicit HttpParser(const HttpParserLimits& limits);
  ~HttpParser();

  // Takes over bytes that came in. They may hold a part of a request, or several.
  void Append(std::string_view bytes);

  // The next whole request; none when more bytes are needed or `error()` is set.
  std::optional<HttpRequest> Next();

  // The head of a request whose body has not come so far, `body` empty; once for each such request,
  // ask after Next().
  std::optional<HttpRequest> TakeHead();

  const std::optional<HttpParseError>& error() const { return error_; }
  // Of the request that is being read, or was refused: its path and its header Origin, empty if it
  // was not read so far, and its id.
  std::string path() const;
  std::string origin() const;
  std::string request_id() const;
  // A request has begun and is not whole.
  bool in_request() const;
  // Bytes appended and not parsed yet.
  size_t num_buffered() const { return buffer_.size(); }
  // True once for each request that waits with its body for "100 Continue"; ask after Next().
  bool TakeExpectContinue();

 private:
  struct Impl;  // the packaged parser

  void Fail(int status, std::string message);
  // Once the header is there, and before its body is waited for.
  void CheckHeader();
  HttpRequest MakeRequest() const;  // without the body

  const HttpParserLimits limits_;
  std::string buffer_;
  std::unique_ptr<Impl> impl_;
  std::optional<HttpParseError> error_;
  bool expect_continue_answered_ = false;  // of the request that is being read
  bool header_checked_ = false;            // likewise, as all that follow
  bool head_taken_ = false;
  bool line_skipped_ = false;  // the empty line that may stand before it
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_HTTP_PARSER_H_
