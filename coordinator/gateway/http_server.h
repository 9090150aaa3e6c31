// The HTTP/1.1 transport: listens, bounds every size and time, hands requests to one handler. Knows
// nothing of OpenAI.
//
//   socket -> HttpConnection -> HttpParser -> HttpHandler -> HttpReply -> HttpConnection -> socket
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_HTTP_SERVER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_HTTP_SERVER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/http_parser.h"
#include "coordinator/gateway/io_threads.h"

namespace switchyard::gateway {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address or a name
  int port = 0;                    // 0: the system picks one
  HttpParserLimits limits;
  int max_connections = 1024;  // one more is answered 503
  // Bytes of an answer that wait for a client to read; one that lets more pile up is cut off.
  int64_t max_write_queue_bytes = 4 << 20;
  std::chrono::milliseconds idle_timeout{75'000};  // between requests: closed
  std::chrono::milliseconds read_timeout{30'000};  // from a request's first byte to its last: 408
  // Without the client taking a byte, or 1/64 of what HttpReply::AllowMore lets pile up: cut off.
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds linger_timeout{2'000};  // how long a refused client may go on sending
  // Body of the transport's own errors (400, 408, 413, 431, 500, 501, 503); `path` as the request
  // has it, empty if it was not read.
  std::function<std::string(int status, std::string_view path, std::string_view message)>
      error_body;
  // Headers of these errors; `origin` is the request's header Origin, empty if it was not read.
  // Null: none beside the transport's.
  std::function<HttpHeaders(std::string_view origin)> error_headers;
  // Whether a request is refused by its head alone, before its body comes; null: none is. As
  // HttpHandler, it must not block.
  std::function<std::optional<HttpResponse>(const HttpRequest& head)> refuse;
  // Counts such an answer of the transport's own; null: nobody does.
  std::function<void(int status, std::string_view path)> count_error;
};

class HttpServer {
 public:
  // Listens and serves on `threads`, which outlives the server. Errors as of TcpListener::Listen.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                           HttpHandler handler, IoThreads& threads);
  // As Shutdown(0).
  ~HttpServer();

  int port() const;
  int num_connections() const;

  // Stops accepting, closes idle connections, lets answers under way finish for at most `grace`,
  // then cuts what is left. Returns when no connection is left; true if none had to be cut. Not on
  // an I/O thread. A second call waits likewise.
  bool Shutdown(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_HTTP_SERVER_H_
