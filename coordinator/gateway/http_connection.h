// One client's socket. Includes Asio: for http_server.cc and http_connection.cc only.
//
// States: reading a request -> answering it -> reading the next; or lingering (answer sent, input
// thrown away until the client closes)
// -> closed. While it answers it goes on reading, so that a client which goes away is noticed and
// pipelined requests are kept. Everything runs on the connection's strand, except the HttpReply
// methods, which post to it.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_HTTP_CONNECTION_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_HTTP_CONNECTION_H_

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "coordinator/gateway/http_parser.h"
#include "coordinator/gateway/http_server.h"
#include "coordinator/gateway/write_queue.h"

namespace switchyard::gateway {

// What all connections of a server share; outlives them.
struct HttpConnectionContext {
  HttpServerOptions options;
  HttpHandler handler;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;

  // `on_closed` runs once, when the socket is closed. A `refused` connection is answered 503 and
  // closed.
  HttpConnection(Socket socket, std::shared_ptr<const HttpConnectionContext> context, bool refused,
                 std::function<void(HttpConnection*)> on_closed);

  void Start();
  // Closes now if no request is under way, else after it.
  void Drain();
  // Closes at once.
  void Abort();

 private:
  class Reply;
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Strand>;

  // Reading.
  void StartRead();
  // While nothing is read, a connection that breaks shows only here.
  void WatchForBreak();
  void OnRead(const boost::system::error_code& ec, size_t num_bytes);
  // The peer sends no more: it has gone, or has only closed its sending side and may still take an
  // answer.
  void OnEndOfInput();
  void NotifyDisconnect();
  void Advance();
  // The request is there as far as it is read: its answer begins.
  void BeginExchange(const HttpRequest& request);
  void Dispatch(HttpRequest request);
  void FailRequest(int status, std::string_view message);
  // An answer of the transport's own, to the request under way.
  HttpResponse OwnError(int status, std::string_view message) const;

  // Answering; `exchange` counts a connection's requests, so that a late call meets no other
  // request's answer.
  void Answer(uint64_t exchange, HttpResponse response);
  void BeginStream(uint64_t exchange, HttpResponse head);
  void ContinueStream(uint64_t exchange, std::string bytes);
  void CompleteStream(uint64_t exchange);
  void ReplyDropped(uint64_t exchange);
  void AllowMore(uint64_t exchange, int64_t num_bytes, std::shared_ptr<const void> held);
  void SetDisconnectCallback(uint64_t exchange, std::function<void()> callback);
  bool IsOpen(uint64_t exchange) const;

  // Writing.
  void QueueWrite(std::string bytes);
  void StartWrite();
  void OnWrite(const boost::system::error_code& ec, size_t num_bytes);
  void FinishExchange();
  void Linger();
  void Close();

  // Runs `on_expiry` unless the timer is armed anew or disarmed before.
  void Arm(Timer& timer, std::chrono::milliseconds timeout, void (HttpConnection::*on_expiry)());
  static void Disarm(Timer& timer);
  void OnReadTimeout();

  enum class State { kReading, kAnswering, kLingering, kClosed };
  enum class Stage { kNone, kStreaming, kComplete };  // of the answer under way

  Socket socket_;
  const std::shared_ptr<const HttpConnectionContext> context_;
  const bool refused_;
  const std::function<void(HttpConnection*)> on_closed_;

  HttpParser parser_;
  std::array<char, 16 << 10> read_buffer_;
  bool read_pending_ = false;
  bool break_watched_ = false;
  bool peer_sends_no_more_ = false;
  bool request_timed_ = false;  // the read timeout of the request under way runs
  Timer read_timer_;

  State state_ = State::kReading;
  Stage stage_ = Stage::kNone;
  uint64_t exchange_ = 0;
  std::string path_;        // of the request under way, for errors
  std::string origin_;      // likewise
  std::string request_id_;  // likewise, for its answer
  bool head_only_ = false;  // the request was HEAD
  bool chunked_ = false;    // the stream under way is
  bool http_1_0_ = false;
  bool keep_alive_ = true;  // after the answer under way
  bool draining_ = false;
  bool disconnected_ = false;  // seen during the exchange under way
  std::function<void()> disconnect_callback_;

  WriteQueue write_queue_;    // to be written after write_buffer_
  std::string write_buffer_;  // being written, from write_offset_
  size_t write_offset_ = 0;
  int64_t num_more_bytes_ = 0;        // that the answer under way may let pile up
  int64_t num_bytes_due_ = 0;         // that the peer has to take until the write timeout
  std::shared_ptr<const void> held_;  // until it is sent
  Timer write_timer_;
  std::atomic<int64_t> num_bytes_posted_{
      0};  // handed over by Reply::Write, not yet in write_queue_
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_HTTP_CONNECTION_H_
