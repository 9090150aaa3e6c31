// What passes between the HTTP transport and whoever answers: a request, and the reply to it. Knows
// neither sockets nor OpenAI.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_HTTP_MESSAGE_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_HTTP_MESSAGE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace switchyard::gateway {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;         // as sent: "GET", "POST", ...
  std::string path;           // the target before '?', as sent
  std::string query;          // the target after '?'
  std::string authorization;  // the header's value, or empty; so are all below up to the body
  std::string api_key;        // x-api-key
  std::string content_type;
  std::string content_encoding;   // of several such headers all values, with commas between them
  std::string tenant;             // X-Tenant; where keys are in force, the tenant of the key
  std::string request_id;         // X-Request-Id, if it is fit to be sent back; else a fresh one
  std::string origin;             // Origin: the page whose script asks
  std::string requested_method;   // Access-Control-Request-Method: what a script is about to send
  std::string requested_headers;  // Access-Control-Request-Headers: likewise
  std::string body;
  // When it was whole and its turn on the connection; unset: as long as it is not.
  std::optional<std::chrono::steady_clock::time_point> arrived;
  bool keep_alive = true;
  bool http_1_0 = false;  // the peer knows no chunked encoding
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers;  // beyond those that the transport writes
  std::string body;
};

// The way back to one request's client. Thread-safe; calls after the answer is complete have no
// effect. The answer is either one Send, or StartStream, any number of Write, and EndStream. A
// reply that is dropped unanswered becomes a 500, a stream that is dropped without its end is cut,
// so that the client sees that something is missing.
class HttpReply {
 public:
  virtual ~HttpReply() = default;

  virtual void Send(HttpResponse response) = 0;

  // Sends the head; `head.body` is the first piece of the body.
  virtual void StartStream(HttpResponse head) = 0;
  // Queues a piece of the body. A client that lets more than the transport's write queue pile up is
  // cut off.
  virtual void Write(std::string bytes) = 0;
  virtual void EndStream() = 0;

  // Lets so many bytes more pile up, and keeps `held` until all is sent or given up. Before the
  // answer.
  virtual void AllowMore(int64_t /*num_bytes*/, std::shared_ptr<const void> /*held*/) {}

  // `callback` runs once, on an I/O thread, if the client goes away before the answer is complete;
  // at once if it has gone already.
  virtual void OnDisconnect(std::function<void()> callback) = 0;
};

// Called on an I/O thread: must not block. It may answer later, from any thread.
using HttpHandler = std::function<void(HttpRequest request, std::shared_ptr<HttpReply> reply)>;

// The head of a response, up to and including the empty line. `content_length` < 0: chunked, or
// until the end for HTTP/1.0.
struct HttpHeadOptions {
  bool keep_alive = true;
  bool http_1_0 = false;
  long content_length = -1;
  std::string_view request_id;  // in X-Request-Id, and in request-id for Anthropic's clients
};
std::string FormatHttpHead(const HttpResponse& response, const HttpHeadOptions& options);

// `bytes` as one chunk of a chunked body; empty bytes give an empty string, since an empty chunk
// would end the body. The same in pieces, for bytes that are not to be copied: head, bytes, end.
std::string FormatHttpChunk(std::string_view bytes);
std::string FormatHttpChunkHead(size_t num_bytes);
inline constexpr std::string_view kHttpChunkEnd = "\r\n";
inline constexpr std::string_view kHttpLastChunk = "0\r\n\r\n";

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_HTTP_MESSAGE_H_
